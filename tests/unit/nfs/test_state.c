#include "../test.h"

#include "nfs/state.h"

#include <limits.h>
#include <stdio.h>

enum { LEASE_MS = NFS4_LEASE_SECONDS * 1000 };

static struct folder *folder;
static struct folder_file *file;
static const struct nfs4_principal pi_01 = {.address = 1, .flavor = RPC_AUTH_SYS};
static const struct nfs4_principal pi_02 = {.address = 2, .flavor = RPC_AUTH_SYS};
static const struct nfs4_channel wide = {.max_request_bytes = 65536,
                                         .max_response_bytes = 65536,
                                         .max_cached_bytes = 4096,
                                         .max_operations = 16,
                                         .max_requests = 4};

struct talk {
    struct nfs4_state *state;
    struct nfs4_principal who;
    uint64_t client_id;
    struct nfs4_created_session session;
    struct nfs4_slot_use use;
    uint32_t sequence;
};

static enum nfs4_status meet(struct nfs4_state *state, const struct nfs4_principal *who, const char *verifier,
                             uint64_t now_ms, struct nfs4_exchanged *exchanged)
{
    struct nfs4_exchange exchange = {.owner = (const uint8_t *)"raspberrypi", .owner_bytes = 11};

    memcpy(exchange.verifier, verifier, sizeof(exchange.verifier));
    return nfs4_exchange_id(state, who, &exchange, now_ms, exchanged);
}

static enum nfs4_slot_outcome say(struct talk *talk, uint32_t sequence, uint64_t fingerprint, bool cache,
                                  uint64_t now_ms)
{
    struct nfs4_sequence what = {
        .sequence = sequence, .fingerprint = fingerprint, .cache = cache, .operations = 1};

    memcpy(what.session_id, talk->session.session_id, sizeof(what.session_id));
    return nfs4_sequence_begin(talk->state, &talk->who, &what, now_ms, &talk->use);
}

static void begin(struct talk *talk, struct nfs4_state *state, const struct nfs4_principal *who,
                  const char *verifier)
{
    struct nfs4_exchanged exchanged;
    struct nfs4_create_session create = {.fore = wide, .back = wide};

    *talk = (struct talk){.state = state, .who = *who};
    assert_int_equal(meet(state, who, verifier, 0, &exchanged), NFS4_OK);
    talk->client_id = create.client_id = exchanged.client_id;
    create.sequence = exchanged.sequence;
    assert_int_equal(nfs4_create_session(state, who, &create, 0, &talk->session), NFS4_OK);
    assert_int_equal(say(talk, 1, 0, false, 0), NFS4_SLOT_NEW);
}

static void end(struct talk *talk)
{
    nfs4_sequence_end(talk->state, &talk->use, NFS4_OK, (const uint8_t *)"reply", 5);
}

static void one_name_at_two_addresses_is_two_clients(void **state)
{
    struct nfs4_state *s = nfs4_state_new();
    struct talk one, two;

    begin(&one, s, &pi_01, "verifier");
    begin(&two, s, &pi_02, "rebooted");
    assert_true(one.client_id != two.client_id);
    end(&one);
    assert_int_equal(say(&one, 2, 0, false, 0), NFS4_SLOT_NEW);
    end(&one);
    one.who = pi_02;
    assert_int_equal(say(&one, 3, 0, false, 0), NFS4_SLOT_REFUSED);
    assert_int_equal(one.use.status, NFS4ERR_BADSESSION);
    end(&two);
    nfs4_state_free(s);
}

static void a_request_is_run_once(void **state)
{
    struct nfs4_state *s = nfs4_state_new();
    struct talk talk, again;

    begin(&talk, s, &pi_01, "verifier");
    again = talk;
    assert_int_equal(say(&again, 1, 0, false, 0), NFS4_SLOT_REFUSED);
    assert_int_equal(again.use.status, NFS4ERR_DELAY);
    end(&talk);
    assert_int_equal(say(&again, 1, 0, false, 0), NFS4_SLOT_UNCACHED);
    nfs4_state_free(s);
}

static void an_answer_is_kept_if_it_was_asked_for(void **state)
{
    struct nfs4_state *s = nfs4_state_new();
    struct talk talk;

    begin(&talk, s, &pi_01, "verifier");
    end(&talk);
    assert_int_equal(say(&talk, 1, 0, false, 0), NFS4_SLOT_UNCACHED);
    assert_int_equal(say(&talk, 2, 7, true, 0), NFS4_SLOT_NEW);
    end(&talk);
    assert_int_equal(say(&talk, 2, 7, true, 0), NFS4_SLOT_REPEAT);
    assert_int_equal(talk.use.repeated_bytes, 5);
    assert_memory_equal(talk.use.repeated, "reply", 5);
    free(talk.use.repeated);
    assert_int_equal(say(&talk, 2, 8, true, 0), NFS4_SLOT_REFUSED);
    assert_int_equal(talk.use.status, NFS4ERR_SEQ_FALSE_RETRY);
    assert_int_equal(say(&talk, 4, 0, true, 0), NFS4_SLOT_REFUSED);
    assert_int_equal(talk.use.status, NFS4ERR_SEQ_MISORDERED);
    nfs4_state_free(s);
}

static void a_session_that_ends_lets_its_last_request_finish(void **state)
{
    struct nfs4_state *s = nfs4_state_new();
    struct talk talk;

    begin(&talk, s, &pi_01, "verifier");
    assert_int_equal(nfs4_destroy_session(s, &pi_01, talk.session.session_id), NFS4_OK);
    assert_int_equal(nfs4_destroy_client(s, &pi_01, talk.client_id), NFS4_OK);
    end(&talk);
    nfs4_state_free(s);
}

static enum nfs4_status open_as(struct talk *talk, const char *owner, uint32_t access, uint32_t deny,
                                uint64_t now_ms, struct nfs4_stateid *stateid)
{
    const struct nfs4_open open = {.owner = {(const uint8_t *)owner, strlen(owner)},
                                   .key = {.folder = 1},
                                   .file = file,
                                   .access = access,
                                   .deny = deny};

    return nfs4_open_file(talk->state, talk->use.client, &open, now_ms, stateid);
}

static void who_is_gone_stands_in_nobodys_way_but_keeps_what_nobody_wants(void **state)
{
    struct nfs4_state *s = nfs4_state_new();
    struct nfs4_stateid stateid, theirs;
    struct talk one, two;

    begin(&one, s, &pi_01, "verifier");
    begin(&two, s, &pi_02, "verifier");
    assert_int_equal(open_as(&one, "a", OPEN4_SHARE_ACCESS_BOTH, OPEN4_SHARE_DENY_BOTH, 0, &stateid),
                     NFS4_OK);
    end(&one);
    assert_int_equal(open_as(&two, "b", OPEN4_SHARE_ACCESS_READ, 0, LEASE_MS, &theirs), NFS4ERR_SHARE_DENIED);
    end(&two);
    assert_int_equal(say(&two, 2, 0, false, LEASE_MS), NFS4_SLOT_NEW);
    nfs4_state_sweep(s, LEASE_MS + 1);
    assert_int_equal(say(&one, 2, 0, false, LEASE_MS + 1), NFS4_SLOT_NEW); /* it came back in time */
    end(&one);
    assert_int_equal(open_as(&two, "b", OPEN4_SHARE_ACCESS_READ, 0, 3 * LEASE_MS, &theirs), NFS4_OK);
    assert_int_equal(say(&one, 3, 0, false, 3 * LEASE_MS), NFS4_SLOT_REFUSED);
    end(&two);
    nfs4_state_free(s);
}

/* ---- ranges, against a model: one byte of memory per byte of the file ---- */

enum { MODEL_BYTES = 24 };

static bool is_locked(struct talk *talk, unsigned at, bool write)
{
    static struct nfs4_denied denied;
    const struct nfs4_lock lock = {.key = {.folder = 1},
                                   .write = write,
                                   .offset = at,
                                   .length = 1,
                                   .owner = {(const uint8_t *)"stranger", 8}};

    return nfs4_test_lock(talk->state, talk->use.client, &lock, 0, &denied) == NFS4ERR_DENIED;
}

static void ranges_split_shrink_and_join_as_the_model_does(void **state)
{
    struct nfs4_state *s = nfs4_state_new();
    struct nfs4_stateid open, held;
    static struct nfs4_denied denied;
    char model[MODEL_BYTES] = {0}; /* 0, 'r', 'w' */
    unsigned random = 1;
    struct talk talk;

    begin(&talk, s, &pi_01, "verifier");
    assert_int_equal(open_as(&talk, "a", OPEN4_SHARE_ACCESS_BOTH, 0, 0, &open), NFS4_OK);
    struct nfs4_lock lock = {.key = {.folder = 1},
                             .offset = 100,
                             .length = 1,
                             .new_owner = true,
                             .owner = {(const uint8_t *)"owner", 5}};
    held = open;
    assert_int_equal(nfs4_lock_range(s, talk.use.client, &lock, 0, &held, &denied), NFS4_OK);
    lock.new_owner = false;
    for (int i = 0; i < 2000; i++) {
        random = random * 1103515245 + 12345;
        lock.offset = random >> 8 & 15;
        lock.length = 1 + (random >> 16 & 7);
        unsigned what = random >> 24 & 3;
        lock.write = what == 1;
        memset(model + lock.offset, what == 0 ? 'r' : what == 1 ? 'w' : 0, lock.length);
        if (what < 2)
            assert_int_equal(nfs4_lock_range(s, talk.use.client, &lock, 0, &held, &denied), NFS4_OK);
        else
            assert_int_equal(nfs4_unlock_range(s, talk.use.client, &lock, &held), NFS4_OK);
        for (unsigned at = 0; at < MODEL_BYTES; at++) {
            assert_int_equal(is_locked(&talk, at, true), model[at] != 0);
            assert_int_equal(is_locked(&talk, at, false), model[at] == 'w');
        }
    }
    lock.offset = 0;
    lock.length = UINT64_MAX;
    assert_int_equal(nfs4_unlock_range(s, talk.use.client, &lock, &held), NFS4_OK);
    assert_int_equal(nfs4_free_stateid(s, talk.use.client, &held), NFS4_OK);
    assert_int_equal(nfs4_close_file(s, talk.use.client, &lock.key, &open), NFS4_OK);
    end(&talk);
    nfs4_state_free(s);
}

static void clients_are_bounded_and_those_gone_make_way(void **state)
{
    struct nfs4_state *s = nfs4_state_new();
    struct nfs4_exchanged exchanged;
    char owner[16];

    for (int i = 0; i <= NFS4_ADDRESS_CLIENTS_MAX; i++) {
        const struct nfs4_exchange exchange = {
            .owner = (const uint8_t *)owner, .owner_bytes = (size_t)snprintf(owner, sizeof(owner), "%d", i)};
        enum nfs4_status status = nfs4_exchange_id(s, &pi_01, &exchange, 0, &exchanged);
        assert_int_equal(status, i < NFS4_ADDRESS_CLIENTS_MAX ? NFS4_OK : NFS4ERR_DELAY);
    }
    assert_int_equal(meet(s, &pi_02, "verifier", 0, &exchanged), NFS4_OK);
    assert_int_equal(meet(s, &pi_01, "verifier", LEASE_MS + 1, &exchanged), NFS4_OK);
    nfs4_state_free(s);
}

static int prepare(char *directory)
{
    const struct folder_make make = {.kind = FOLDER_FILE};
    struct folder_attributes attributes;
    struct folder_step step;
    struct error error;
    CLEANUP_FREE char *place = xasprintf("%s/f", directory);

    if (folder_create(place, FOLDER_OWNER_ROOT, &error) < 0 || folder_open(place, &folder, &error) < 0)
        return -1;
    if (folder_make(folder, folder_top(folder), "file", &make, &attributes, &step) < 0)
        return -1;
    return folder_file_open(folder, attributes.object, &file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name_at_two_addresses_is_two_clients),
        cmocka_unit_test(a_request_is_run_once),
        cmocka_unit_test(an_answer_is_kept_if_it_was_asked_for),
        cmocka_unit_test(a_session_that_ends_lets_its_last_request_finish),
        cmocka_unit_test(who_is_gone_stands_in_nobodys_way_but_keeps_what_nobody_wants),
        cmocka_unit_test(ranges_split_shrink_and_join_as_the_model_does),
        cmocka_unit_test(clients_are_bounded_and_those_gone_make_way),
    };
    char directory[] = "/var/tmp/farboot-state-XXXXXX";

    if (!mkdtemp(directory) || prepare(directory) < 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    folder_file_put(file);
    folder_unref(folder);
    CLEANUP_FREE char *command = xasprintf("rm -rf '%s'", directory);
    return system(command) || failed;
}
