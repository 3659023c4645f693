/*
 * Who may log in to which disk: the initiator's name and the address it comes from.
 *
 * Pure: what the catalog and the network know is passed in.
 */
#pragma once

#include "fleet/machine.h"
#include "iscsi/login.h"

struct access_request {
    const char *iqn_prefix;
    const char *initiator_name;
    const char *target_name;
    const struct machine *machine; /* whose disk the target name means; NULL if nobody's */
    bool knows_mac;                /* whose address the initiator's is, is known */
    struct mac mac;
};

enum access {
    ACCESS_GRANTED,
    ACCESS_NO_SUCH_TARGET,
    ACCESS_OTHER_MACHINE,   /* the name is another machine's, or nobody's */
    ACCESS_OTHER_ADDRESS,   /* the name is right, the address is another machine's */
    ACCESS_UNKNOWN_ADDRESS, /* firmware that names itself, from an address nobody knows */
};

/*
 * A machine's own initiator name opens its disk, unless the address is known to be another machine's. iPXE,
 * which names itself when DHCP gave it no name, is told by its address alone. An address of which nothing is
 * known (a machine behind a router) does not count against a right name.
 */
enum access access_decide(const struct access_request *request);
enum login_status access_status(enum access access);
/* Why not, for a person; continues "cannot log in: ". */
const char *access_reason(enum access access);
/* Whether the initiator is firmware (iPXE) rather than an operating system. */
bool access_is_firmware_name(const char *initiator_name);
