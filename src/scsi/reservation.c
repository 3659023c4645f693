#include "scsi/reservation.h"

#include "base/text.h"

static const struct rules {
    bool exists;
    bool readers_pass;     /* all may read */
    bool registrants_pass; /* all who are registered may do everything */
    bool all_hold;         /* all who are registered hold it */
} rules[] = {
    [RESERVATION_WRITE_EXCLUSIVE] = {true, true, false, false},
    [RESERVATION_EXCLUSIVE_ACCESS] = {true, false, false, false},
    [RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY] = {true, true, true, false},
    [RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY] = {true, false, true, false},
    [RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS] = {true, true, true, true},
    [RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS] = {true, false, true, true},
};

static bool type_exists(unsigned type)
{
    return type < ARRAY_SIZE(rules) && rules[type].exists;
}

/* ---- who is registered ---- */

static struct registration *find(const struct reservations *all, const char *port)
{
    for (unsigned i = 0; i < all->count; i++) {
        if (string_equal(all->registrations[i].port, port))
            return &all->registrations[i];
    }
    return NULL;
}

/* The registration of who asks, if it knows its key. */
static struct registration *authorise(const struct reservations *all,
                                      const struct reservation_request *request)
{
    struct registration *self = find(all, request->port);

    return self && self->key == request->key ? self : NULL;
}

static const struct registration *holder_of(const struct reservations *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        if (all->registrations[i].holder)
            return &all->registrations[i];
    }
    return NULL;
}

static void tell_others(const struct reservations *all, const char *port, enum scsi_attention attention,
                        const struct reservation_listener *listener)
{
    for (unsigned i = 0; i < all->count; i++) {
        if (!string_equal(all->registrations[i].port, port))
            listener->tell(listener->arg, all->registrations[i].port, attention);
    }
}

static bool add(struct reservations *all, const struct reservation_request *request)
{
    if (all->count >= RESERVATION_REGISTRATIONS_MAX)
        return false;
    all->registrations = xrealloc(all->registrations, all->count + 1, sizeof(*all->registrations));
    struct registration *added = &all->registrations[all->count++];
    *added = (struct registration){.key = request->service_key};
    COPY_STRING(added->port, request->port);
    return true;
}

static void end_reservation(struct reservations *all)
{
    all->type = RESERVATION_NONE;
    for (unsigned i = 0; i < all->count; i++)
        all->registrations[i].holder = false;
}

static void remove_at(struct reservations *all, unsigned index)
{
    all->count--;
    memmove(&all->registrations[index], &all->registrations[index + 1],
            (all->count - index) * sizeof(*all->registrations));
    if (!all->count)
        end_reservation(all);
}

struct reservations reservations_copy(const struct reservations *all)
{
    struct reservations copy = *all;

    copy.registrations = all->count ? xcalloc(all->count, sizeof(*all->registrations)) : NULL;
    if (all->count)
        memcpy(copy.registrations, all->registrations, all->count * sizeof(*all->registrations));
    return copy;
}

bool reservations_are_sound(const struct reservations *all)
{
    unsigned holders = 0;

    if (all->type && !type_exists(all->type))
        return false;
    for (unsigned i = 0; i < all->count; i++) {
        const struct registration *each = &all->registrations[i];
        if (find(all, each->port) != each || !each->key)
            return false;
        holders += each->holder;
    }
    bool has_holder = all->type && !rules[all->type].all_hold;
    return holders == (has_holder ? 1u : 0u) && (!all->type || all->count);
}

void reservations_free(struct reservations *all)
{
    free(all->registrations);
    *all = (struct reservations){0};
}

/* ---- what it means ---- */

bool reservation_is_holder(const struct reservations *all, const struct registration *registration)
{
    return all->type && (rules[all->type].all_hold || registration->holder);
}

uint64_t reservation_holder_key(const struct reservations *all)
{
    const struct registration *holder = holder_of(all);

    return holder ? holder->key : 0;
}

bool reservation_allows(const struct reservations *all, const char *port, enum reservation_access access)
{
    const struct rules *rule = &rules[all->type];

    if (!all->type || access == ACCESS_FREE || (access == ACCESS_READ && rule->readers_pass))
        return true;
    const struct registration *registration = find(all, port);
    return registration && (rule->registrants_pass || registration->holder);
}

/* ---- registering ---- */

/* With its holder goes the reservation; where others might use it they are told. */
static void unregister(struct reservations *all, struct registration *self,
                       const struct reservation_listener *listener)
{
    bool releases = all->type && self->holder;

    if (releases && rules[all->type].registrants_pass)
        tell_others(all, self->port, ATTENTION_RESERVATIONS_RELEASED, listener);
    if (releases)
        end_reservation(all);
    remove_at(all, (unsigned)(self - all->registrations));
}

enum reservation_outcome reservation_register_and_ignore(struct reservations *all,
                                                         const struct reservation_request *request,
                                                         const struct reservation_listener *listener)
{
    struct registration *self = find(all, request->port);

    if (self && request->service_key)
        self->key = request->service_key;
    else if (self)
        unregister(all, self, listener);
    else if (request->service_key && !add(all, request))
        return RESERVATION_FULL;
    all->generation++;
    return RESERVATION_DONE;
}

enum reservation_outcome reservation_register(struct reservations *all,
                                              const struct reservation_request *request,
                                              const struct reservation_listener *listener)
{
    const struct registration *self = find(all, request->port);

    if (request->key != (self ? self->key : 0))
        return RESERVATION_CONFLICTS;
    return reservation_register_and_ignore(all, request, listener);
}

/* ---- reserving and releasing ---- */

static void establish(struct reservations *all, struct registration *self, unsigned type)
{
    end_reservation(all);
    all->type = (enum reservation_type)type;
    self->holder = !rules[type].all_hold;
}

enum reservation_outcome reservation_reserve(struct reservations *all,
                                             const struct reservation_request *request,
                                             const struct reservation_listener *listener)
{
    struct registration *self = authorise(all, request);

    if (!self)
        return RESERVATION_CONFLICTS;
    if (!type_exists(request->type))
        return RESERVATION_BAD_TYPE;
    if (all->type && (all->type != request->type || !reservation_is_holder(all, self)))
        return RESERVATION_CONFLICTS;
    establish(all, self, request->type);
    return RESERVATION_DONE;
}

enum reservation_outcome reservation_release(struct reservations *all,
                                             const struct reservation_request *request,
                                             const struct reservation_listener *listener)
{
    struct registration *self = authorise(all, request);

    if (!self)
        return RESERVATION_CONFLICTS;
    if (!reservation_is_holder(all, self))
        return RESERVATION_DONE;
    if (all->type != request->type)
        return RESERVATION_NOT_THIS_TYPE;
    if (rules[all->type].registrants_pass)
        tell_others(all, self->port, ATTENTION_RESERVATIONS_RELEASED, listener);
    end_reservation(all);
    return RESERVATION_DONE;
}

enum reservation_outcome reservation_clear(struct reservations *all,
                                           const struct reservation_request *request,
                                           const struct reservation_listener *listener)
{
    if (!authorise(all, request))
        return RESERVATION_CONFLICTS;
    tell_others(all, request->port, ATTENTION_RESERVATIONS_PREEMPTED, listener);
    end_reservation(all);
    all->count = 0;
    all->generation++;
    return RESERVATION_DONE;
}

/* ---- preempting ---- */

/* Whether it is the reservation that is meant, and not registrations alone. */
static bool means_reservation(const struct reservations *all, const struct reservation_request *request)
{
    if (!all->type)
        return false;
    return rules[all->type].all_hold ? request->service_key == 0
                                     : request->service_key == reservation_holder_key(all);
}

/* Removes all with this key, or all (0); gives how many. `spared` stays; who asks is not told. */
static unsigned remove_matching(struct reservations *all, const struct reservation_request *request,
                                const char *spared, const struct reservation_listener *listener)
{
    unsigned removed = 0;

    for (unsigned i = all->count; i > 0; i--) {
        struct registration *each = &all->registrations[i - 1];
        bool matches = !request->service_key || each->key == request->service_key;
        if (!matches || (spared && string_equal(each->port, spared)))
            continue;
        if (!string_equal(each->port, request->port))
            listener->tell(listener->arg, each->port, ATTENTION_REGISTRATIONS_PREEMPTED);
        remove_at(all, i - 1);
        removed++;
    }
    return removed;
}

static enum reservation_outcome take_over(struct reservations *all, const struct reservation_request *request,
                                          const struct reservation_listener *listener)
{
    enum reservation_type before = all->type;

    if (!type_exists(request->type))
        return RESERVATION_BAD_TYPE;
    remove_matching(all, request, request->port, listener);
    establish(all, find(all, request->port), request->type);
    if (before != all->type)
        tell_others(all, request->port, ATTENTION_RESERVATIONS_RELEASED, listener);
    all->generation++;
    return RESERVATION_DONE;
}

enum reservation_outcome reservation_preempt(struct reservations *all,
                                             const struct reservation_request *request,
                                             const struct reservation_listener *listener)
{
    if (!authorise(all, request))
        return RESERVATION_CONFLICTS;
    if (means_reservation(all, request))
        return take_over(all, request, listener);
    if (!request->service_key)
        return RESERVATION_BAD_KEY;
    if (!remove_matching(all, request, NULL, listener))
        return RESERVATION_CONFLICTS;
    all->generation++;
    return RESERVATION_DONE;
}
