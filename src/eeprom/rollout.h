/*
 * A new bootloader configuration on its way to many boards: one first, the others after that one was seen to boot.
 *
 * Nobody can repair a board from afar whose bootloader does not find the network, so that a board gets an update once,
 * and the first that fails ends it for all. It is kept in memory: a restart of farboot withdraws it.
 *
 * Owns one lock: boards ask on workers, their boots are seen on any thread, and people look on the control loop.
 */
#pragma once

#include "base/error.h"

enum { ROLLOUT_MACHINES_MAX = 256 };

/* What a board gets: an image with its signature. Immutable and counted. */
struct eeprom_package;

/* Copies the image, and makes the signature for it. */
struct eeprom_package *eeprom_package_new(const uint8_t *image, size_t length_bytes, uint64_t time_seconds);
struct eeprom_package *eeprom_package_ref(struct eeprom_package *package);
void eeprom_package_unref(struct eeprom_package *package);
DEFINE_CLEANUP(eeprom_package, struct eeprom_package *, eeprom_package_unref)
const uint8_t *eeprom_package_image(const struct eeprom_package *package, size_t *length_bytes);
const char *eeprom_package_signature(const struct eeprom_package *package);

enum rollout_state {
    ROLLOUT_WAITING,   /* for the first board */
    ROLLOUT_OFFERED,   /* at its next start */
    ROLLOUT_LOOKED,    /* it read the signature */
    ROLLOUT_TAKEN,     /* it fetched the image, writes it and starts again */
    ROLLOUT_RESTARTED, /* it read the signature again */
    ROLLOUT_DONE,      /* it was seen to boot since */
    ROLLOUT_UNCHANGED, /* it booted without fetching the image: it has it, or its self-update is off */
    ROLLOUT_FAILED,    /* it wanted the image again: it did not take it */
};

/* "waiting". */
const char *rollout_state_name(enum rollout_state state);

struct rollout_machine {
    uint64_t id;
    struct eeprom_package *package;
    enum rollout_state state;
};

struct rollout;

struct rollout *rollout_new(void);
void rollout_free(struct rollout *rollout);

/* Takes references; `machines[0]` is the first to get it. -EBUSY while another one is under way. */
int rollout_begin(struct rollout *rollout, const struct rollout_machine *machines, size_t count, struct error *error);
/* Nothing is given out any more. */
void rollout_withdraw(struct rollout *rollout);

/* A board asks for its signature, or for its image. NULL: it gets none of ours. The caller unrefs. */
struct eeprom_package *rollout_asked_for_signature(struct rollout *rollout, uint64_t id);
struct eeprom_package *rollout_asked_for_image(struct rollout *rollout, uint64_t id);
/* It reached its disk. True when that ended its update; `state` is how. */
bool rollout_booted(struct rollout *rollout, uint64_t id, enum rollout_state *state);

/* Without their packages; gives the number. `stopped`: a failure ended it. */
size_t rollout_list(struct rollout *rollout, struct rollout_machine to[ROLLOUT_MACHINES_MAX], bool *stopped);
