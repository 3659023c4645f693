#include "eeprom/rollout.h"

#include "eeprom/signature.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- packages ---- */

struct eeprom_package {
    atomic_uint references;
    size_t length_bytes;
    char signature[EEPROM_SIGNATURE_MAX_BYTES];
    uint8_t image[];
};

struct eeprom_package *eeprom_package_new(const uint8_t *image, size_t length_bytes, uint64_t time_seconds)
{
    struct eeprom_package *package = xcalloc(1, sizeof(*package) + length_bytes);
    CLEANUP_TEXT struct text signature = text_with_max(EEPROM_SIGNATURE_MAX_BYTES);

    eeprom_signature(&signature, image, length_bytes, time_seconds);
    CHECK(COPY_STRING(package->signature, text_string(&signature)));
    atomic_init(&package->references, 1);
    package->length_bytes = length_bytes;
    memcpy(package->image, image, length_bytes);
    return package;
}

struct eeprom_package *eeprom_package_ref(struct eeprom_package *package)
{
    atomic_fetch_add(&package->references, 1);
    return package;
}

void eeprom_package_unref(struct eeprom_package *package)
{
    if (package && atomic_fetch_sub(&package->references, 1) == 1)
        free(package);
}

const uint8_t *eeprom_package_image(const struct eeprom_package *package, size_t *length_bytes)
{
    *length_bytes = package->length_bytes;
    return package->image;
}

const char *eeprom_package_signature(const struct eeprom_package *package)
{
    return package->signature;
}

/* ---- the rollout ---- */

struct rollout {
    pthread_mutex_t lock;
    struct rollout_machine machines[ROLLOUT_MACHINES_MAX];
    size_t count;
    bool released; /* somebody was seen to boot with it */
    bool stopped;
};

static const char *const state_names[] = {
    [ROLLOUT_WAITING] = "waiting",     [ROLLOUT_OFFERED] = "offered", [ROLLOUT_LOOKED] = "looked",
    [ROLLOUT_TAKEN] = "taken",         [ROLLOUT_RESTARTED] = "restarted", [ROLLOUT_DONE] = "done",
    [ROLLOUT_UNCHANGED] = "unchanged", [ROLLOUT_FAILED] = "failed",
};

const char *rollout_state_name(enum rollout_state state)
{
    return state_names[state];
}

struct rollout *rollout_new(void)
{
    struct rollout *rollout = xcalloc(1, sizeof(*rollout));

    CHECK(pthread_mutex_init(&rollout->lock, NULL) == 0);
    return rollout;
}

/* Everything below, up to the public functions, holds the lock. */

static void forget(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->count; i++)
        eeprom_package_unref(rollout->machines[i].package);
    rollout->count = 0;
    rollout->released = rollout->stopped = false;
}

void rollout_free(struct rollout *rollout)
{
    if (!rollout)
        return;
    forget(rollout);
    pthread_mutex_destroy(&rollout->lock);
    free(rollout);
}

static bool is_over(const struct rollout_machine *machine)
{
    return machine->state >= ROLLOUT_DONE;
}

static bool is_under_way(const struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->count; i++) {
        if (!rollout->stopped && !is_over(&rollout->machines[i]))
            return true;
    }
    return false;
}

/* Until somebody was seen to boot with it, only the first whose update is not over may have it. */
static void offer(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->count && !rollout->stopped; i++) {
        struct rollout_machine *machine = &rollout->machines[i];
        if (machine->state == ROLLOUT_WAITING)
            machine->state = ROLLOUT_OFFERED;
        if (!rollout->released && !is_over(machine))
            return;
    }
}

/* NULL for whoever gets nothing. */
static struct rollout_machine *find_served(struct rollout *rollout, uint64_t id)
{
    for (size_t i = 0; i < rollout->count; i++) {
        struct rollout_machine *machine = &rollout->machines[i];
        if (machine->id == id && machine->state != ROLLOUT_WAITING && !is_over(machine) && !rollout->stopped)
            return machine;
    }
    return NULL;
}

static struct eeprom_package *note_signature(struct rollout *rollout, uint64_t id)
{
    struct rollout_machine *machine = find_served(rollout, id);

    if (!machine)
        return NULL;
    if (machine->state == ROLLOUT_OFFERED)
        machine->state = ROLLOUT_LOOKED;
    else if (machine->state == ROLLOUT_TAKEN)
        machine->state = ROLLOUT_RESTARTED;
    return eeprom_package_ref(machine->package);
}

/* Firmware may ask for a file twice in one start, but after another start it should have what it asked for. */
static struct eeprom_package *note_image(struct rollout *rollout, uint64_t id)
{
    struct rollout_machine *machine = find_served(rollout, id);

    if (!machine || machine->state == ROLLOUT_OFFERED)
        return NULL;
    if (machine->state == ROLLOUT_RESTARTED) {
        machine->state = ROLLOUT_FAILED;
        rollout->stopped = true;
        return NULL;
    }
    machine->state = ROLLOUT_TAKEN;
    return eeprom_package_ref(machine->package);
}

static bool note_boot(struct rollout *rollout, uint64_t id, enum rollout_state *state)
{
    struct rollout_machine *machine = find_served(rollout, id);

    if (!machine || (machine->state != ROLLOUT_LOOKED && machine->state != ROLLOUT_RESTARTED))
        return false;
    *state = machine->state = machine->state == ROLLOUT_RESTARTED ? ROLLOUT_DONE : ROLLOUT_UNCHANGED;
    rollout->released |= machine->state == ROLLOUT_DONE;
    offer(rollout);
    return true;
}

/* ---- with the lock taken ---- */

int rollout_begin(struct rollout *rollout, const struct rollout_machine *machines, size_t count, struct error *error)
{
    int r = 0;

    CHECK(count <= ROLLOUT_MACHINES_MAX);
    pthread_mutex_lock(&rollout->lock);
    if (is_under_way(rollout)) {
        r = error_set(error, -EBUSY, "another push is under way (see farboot eeprom status; farboot eeprom withdraw ends "
                                     "it)");
    } else {
        forget(rollout);
        for (size_t i = 0; i < count; i++)
            rollout->machines[i] = (struct rollout_machine){machines[i].id, eeprom_package_ref(machines[i].package),
                                                            ROLLOUT_WAITING};
        rollout->count = count;
        offer(rollout);
    }
    pthread_mutex_unlock(&rollout->lock);
    return r;
}

void rollout_withdraw(struct rollout *rollout)
{
    pthread_mutex_lock(&rollout->lock);
    forget(rollout);
    pthread_mutex_unlock(&rollout->lock);
}

struct eeprom_package *rollout_asked_for_signature(struct rollout *rollout, uint64_t id)
{
    pthread_mutex_lock(&rollout->lock);
    struct eeprom_package *package = note_signature(rollout, id);
    pthread_mutex_unlock(&rollout->lock);
    return package;
}

struct eeprom_package *rollout_asked_for_image(struct rollout *rollout, uint64_t id)
{
    pthread_mutex_lock(&rollout->lock);
    struct eeprom_package *package = note_image(rollout, id);
    pthread_mutex_unlock(&rollout->lock);
    return package;
}

bool rollout_booted(struct rollout *rollout, uint64_t id, enum rollout_state *state)
{
    pthread_mutex_lock(&rollout->lock);
    bool ended = note_boot(rollout, id, state);
    pthread_mutex_unlock(&rollout->lock);
    return ended;
}

size_t rollout_list(struct rollout *rollout, struct rollout_machine to[ROLLOUT_MACHINES_MAX], bool *stopped)
{
    pthread_mutex_lock(&rollout->lock);
    size_t count = rollout->count;
    for (size_t i = 0; i < count; i++)
        to[i] = (struct rollout_machine){.id = rollout->machines[i].id, .state = rollout->machines[i].state};
    *stopped = rollout->stopped;
    pthread_mutex_unlock(&rollout->lock);
    return count;
}
