/*
 * What a nexus will be told once, before its next command, in the order in which it is told (SPC-4 5.14).
 */
#pragma once

enum scsi_attention {
    ATTENTION_POWER_ON,
    ATTENTION_RESET,
    ATTENTION_NEXUS_LOSS,
    ATTENTION_CAPACITY,
    ATTENTION_MODE,
    ATTENTION_RESERVATIONS_PREEMPTED,
    ATTENTION_RESERVATIONS_RELEASED,
    ATTENTION_REGISTRATIONS_PREEMPTED,
    ATTENTION_LUNS,
};
