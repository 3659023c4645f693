#include "../test.h"

#include "iscsi/chap.h"
#include "iscsi/text.h"

enum { IDENTIFIER = 0xff };

static void counting(void *to, size_t length_bytes)
{
    uint8_t *bytes = to;

    if (length_bytes == 1)
        bytes[0] = IDENTIFIER;
    for (size_t i = 0; length_bytes > 1 && i < length_bytes; i++)
        bytes[i] = (uint8_t)i;
}

static struct chap_policy policy = {.algorithms = CHAP_ALGORITHMS_ALL, .random = counting};
static const struct chap_account one_way = {.user = "pi", .secret = "correct-secret-1"};
static const struct chap_account mutual = {.user = "pi",
                                           .secret = "correct-secret-1",
                                           .target_user = "farboot",
                                           .target_secret = "another-secret-2"};

/* A conversation as far as the challenge. */
static void begin(struct chap *chap, const struct chap_account *account, const char *algorithms,
                  struct text *reply)
{
    *reply = text_with_max(8192);
    chap_begin(chap, &policy, account);
    assert_int_equal(chap_answer(chap, reply), CHAP_GOES_ON);
    chap_take(chap, CHAP_KEY_A, algorithms);
    assert_int_equal(chap_answer(chap, reply), CHAP_GOES_ON);
}

static void respond(struct chap *chap, const char *user, const char *secret)
{
    CLEANUP_TEXT struct text value = text_with_max(256);
    uint8_t digest[CHAP_DIGEST_MAX_BYTES];
    size_t length =
        chap_digest(chap->algorithm, IDENTIFIER, secret, chap->challenge, chap->challenge_bytes, digest);

    text_append(&value, "0x");
    for (size_t i = 0; i < length; i++)
        text_appendf(&value, "%02X", digest[i]);
    chap_take(chap, CHAP_KEY_N, user);
    chap_take(chap, CHAP_KEY_R, text_string(&value));
}

static void digests_are_those_of_the_standards(void **state)
{
    static const struct {
        enum chap_algorithm algorithm;
        const char *expected;
    } rows[] = {
        {CHAP_MD5, "0xd133ecd3b7c6d596f2b4df2dd3fc6b25"},
        {CHAP_SHA1, "0x4fd8c6003ce92e367f5bcc1e77535175d19485e7"},
        {CHAP_SHA256, "0xd705bfe9a67b5fdebe032177b910c31e2ed0516fb692273ef6ed7c36e6c93b05"},
        {CHAP_SHA3_256, "0x60e4db98ebb2d16f917ac04e1f95a71e8ad0ab091fd431d94f979abea86b535e"},
    };
    uint8_t challenge[16], digest[CHAP_DIGEST_MAX_BYTES], expected[CHAP_DIGEST_MAX_BYTES];
    size_t length;

    for (uint8_t i = 0; i < sizeof(challenge); i++)
        challenge[i] = i;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_true(iscsi_text_bytes(rows[i].expected, expected, sizeof(expected), &length));
        assert_int_equal(
            chap_digest(rows[i].algorithm, 7, "correct-secret-1", challenge, sizeof(challenge), digest),
            length);
        assert_memory_equal(digest, expected, length);
    }
}

static void the_strongest_allowed_is_chosen(void **state)
{
    static const struct {
        const char *list;
        unsigned allowed;
        int expected; /* 0: none */
    } rows[] = {
        {"5", CHAP_ALGORITHMS_ALL, CHAP_MD5},
        {"5,6,7,8", CHAP_ALGORITHMS_ALL, CHAP_SHA3_256},
        {"7,5", CHAP_ALGORITHMS_ALL, CHAP_SHA256},
        {"5,6", CHAP_ALGORITHM_BIT(CHAP_SHA1), CHAP_SHA1},
        {"5", CHAP_ALGORITHMS_ALL & ~CHAP_ALGORITHM_BIT(CHAP_MD5), 0},
        {"55,9,", CHAP_ALGORITHMS_ALL, 0},
        {"", CHAP_ALGORITHMS_ALL, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum chap_algorithm algorithm = 0;
        bool found = chap_choose(rows[i].list, rows[i].allowed, &algorithm);
        if (found != (rows[i].expected != 0) || (int)algorithm != rows[i].expected)
            fail_msg("%s: chose %d", rows[i].list, algorithm);
    }
}

static void each_algorithm_proves(void **state)
{
    static const char *const lists[] = {"5", "6", "7", "8"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        CLEANUP_TEXT struct text reply = {0};
        struct chap chap;
        begin(&chap, &one_way, lists[i], &reply);
        respond(&chap, "pi", "correct-secret-1");
        assert_int_equal(chap_answer(&chap, &reply), CHAP_GOES_ON);
        assert_int_equal(chap.state, CHAP_PROVED);
    }
}

static void assert_refused(struct chap *chap, struct text *reply)
{
    assert_int_equal(chap_answer(chap, reply), CHAP_REFUSED);
    assert_non_null(chap->reason);
    assert_int_not_equal(chap->state, CHAP_PROVED);
}

static void a_wrong_name_or_secret_is_refused(void **state)
{
    static const char *const attempts[][2] = {
        {"pi", "correct-secret-2"}, {"pi", ""}, {"", "correct-secret-1"}, {"PI", "correct-secret-1"}};

    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        CLEANUP_TEXT struct text reply = {0};
        struct chap chap;
        begin(&chap, &one_way, "7", &reply);
        respond(&chap, attempts[i][0], attempts[i][1]);
        assert_refused(&chap, &reply);
    }
}

static void a_response_of_another_length_is_refused(void **state)
{
    static const char *const responses[] = {
        "0x",
        "0x00",
        "0xabc",
        "1234",
        "",
        "0xzz",
        "0b",
        "0bAA",
        "0bAAAA=",
        "0bAB==",
        "0b====",
        "0bAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "0x0000000000000000000000000000000000000000000000000000000000000000000000"};

    for (size_t i = 0; i < ARRAY_SIZE(responses); i++) {
        CLEANUP_TEXT struct text reply = {0};
        struct chap chap;
        begin(&chap, &one_way, "7", &reply);
        chap_take(&chap, CHAP_KEY_N, "pi");
        chap_take(&chap, CHAP_KEY_R, responses[i]);
        assert_refused(&chap, &reply);
    }
}

static void keys_out_of_order_are_refused(void **state)
{
    CLEANUP_TEXT struct text reply = text_with_max(8192);
    struct chap chap;

    chap_begin(&chap, &policy, &one_way);
    chap_take(&chap, CHAP_KEY_A, "5");
    assert_refused(&chap, &reply); /* before AuthMethod was answered */
    chap_begin(&chap, &policy, &one_way);
    assert_int_equal(chap_answer(&chap, &reply), CHAP_GOES_ON);
    assert_refused(&chap, &reply); /* silence */
    chap_begin(&chap, &policy, &one_way);
    assert_int_equal(chap_answer(&chap, &reply), CHAP_GOES_ON);
    chap_take(&chap, CHAP_KEY_A, "5");
    chap_take(&chap, CHAP_KEY_N, "pi");
    assert_refused(&chap, &reply);
}

static void no_algorithm_in_common_is_refused(void **state)
{
    CLEANUP_TEXT struct text reply = text_with_max(8192);
    struct chap chap;

    chap_begin(&chap, &policy, &one_way);
    assert_int_equal(chap_answer(&chap, &reply), CHAP_GOES_ON);
    chap_take(&chap, CHAP_KEY_A, "9,10");
    assert_refused(&chap, &reply);
}

/* What our answer says to a challenge of the initiator's. */
static enum chap_outcome challenge_us(const struct chap_account *account, const char *identifier,
                                      const char *challenge, struct text *reply)
{
    struct chap chap;

    begin(&chap, account, "7", reply);
    text_free(reply);
    *reply = text_with_max(8192);
    respond(&chap, "pi", "correct-secret-1");
    if (identifier)
        chap_take(&chap, CHAP_KEY_I, identifier);
    if (challenge)
        chap_take(&chap, CHAP_KEY_C, challenge);
    return chap_answer(&chap, reply);
}

static void we_prove_ourselves_when_asked(void **state)
{
    static const uint8_t challenge[] = {0xde, 0xad, 0xbe, 0xef};
    static const char *const texts[] = {"0xdeadbeef", "0b3q2+7w=="};
    CLEANUP_TEXT struct text expected = text_with_max(8192);
    uint8_t digest[CHAP_DIGEST_MAX_BYTES];

    chap_digest(CHAP_SHA256, 0, "another-secret-2", challenge, sizeof(challenge), digest);
    iscsi_text_put(&expected, "CHAP_N", "farboot");
    iscsi_text_put_bytes(&expected, "CHAP_R", digest, 32);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP_TEXT struct text reply = {0};
        assert_int_equal(challenge_us(&mutual, "0", texts[i], &reply), CHAP_GOES_ON);
        assert_int_equal(reply.length_bytes, expected.length_bytes);
        assert_memory_equal(reply.data, expected.data, expected.length_bytes);
    }
}

static void we_say_nothing_when_not_asked(void **state)
{
    CLEANUP_TEXT struct text reply = {0};

    assert_int_equal(challenge_us(&mutual, NULL, NULL, &reply), CHAP_GOES_ON);
    assert_int_equal(reply.length_bytes, 0);
}

static void challenges_may_have_1024_bytes_and_no_more(void **state)
{
    for (size_t length = 1023; length <= 1025; length++) {
        CLEANUP_TEXT struct text reply = {0}, challenge = text_with_max(4096);
        text_append(&challenge, "0x");
        for (size_t i = 0; i < length; i++)
            text_append(&challenge, "c5");
        enum chap_outcome outcome = challenge_us(&mutual, "255", text_string(&challenge), &reply);
        assert_int_equal(outcome, length <= CHAP_CHALLENGE_MAX_BYTES ? CHAP_GOES_ON : CHAP_REFUSED);
    }
}

static void odd_challenges_are_refused(void **state)
{
    static const struct {
        const struct chap_account *account;
        const char *identifier, *challenge;
    } rows[] = {
        {&one_way, "1", "0xdeadbeef"}, /* mutual is off */
        {&mutual, "256", "0xdeadbeef"},
        {&mutual, "-1", "0xdeadbeef"},
        {&mutual, NULL, "0xdeadbeef"},
        {&mutual, "1", NULL},
        {&mutual, "1", "0x"},
        /* Our own challenge, sent back. */
        {&mutual, "255", "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_TEXT struct text reply = {0};
        if (challenge_us(rows[i].account, rows[i].identifier, rows[i].challenge, &reply) != CHAP_REFUSED)
            fail_msg("row %zu was not refused", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standards),
        cmocka_unit_test(the_strongest_allowed_is_chosen),
        cmocka_unit_test(each_algorithm_proves),
        cmocka_unit_test(a_wrong_name_or_secret_is_refused),
        cmocka_unit_test(a_response_of_another_length_is_refused),
        cmocka_unit_test(keys_out_of_order_are_refused),
        cmocka_unit_test(no_algorithm_in_common_is_refused),
        cmocka_unit_test(we_prove_ourselves_when_asked),
        cmocka_unit_test(we_say_nothing_when_not_asked),
        cmocka_unit_test(challenges_may_have_1024_bytes_and_no_more),
        cmocka_unit_test(odd_challenges_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
