#include "../test.h"

#include "iscsi/login.h"

#include <stdio.h>

enum {
    TO_OPERATIONAL = 0x81,
    OPERATIONAL_TO_FULL = 0x87,
    OPERATIONAL = 0x04,
    SECURITY = 0x00,
    SECURITY_TO_FULL = 0x83
};

#define NAMES                                                                                                \
    "InitiatorName=iqn.2026-11.internal.farboot:machine:dc-a6-32-00-00-01\0"                                 \
    "TargetName=iqn.2026-11.internal.farboot:root:dc-a6-32-00-00-01\0"

static void no_random(void *to, size_t length_bytes)
{
    memset(to, 0x5a, length_bytes);
}

static const struct chap_policy policy = {.algorithms = CHAP_ALGORITHM_BIT(CHAP_SHA256), .random = no_random};

static int setup(void **state)
{
    struct login *login = xcalloc(1, sizeof(*login));

    login_init(login, 1, &policy);
    *state = login;
    return 0;
}

static int teardown(void **state)
{
    login_free(*state);
    free(*state);
    return 0;
}

static enum login_outcome say_bytes(struct login *login, uint8_t flags, const char *text, size_t length)
{
    struct pdu pdu = {.opcode = PDU_LOGIN_REQUEST,
                      .immediate = true,
                      .flags = flags,
                      .task_tag = 7,
                      .lun = {0x00, 0x02, 0x3d, 0, 0, 1},
                      .data_bytes = (uint32_t)length};

    pdu.words[WORD_CMD_SN] = 42;
    pdu.words[WORD_EXP_STAT_SN] = 5;
    return login_request(login, &pdu, (const uint8_t *)text);
}

#define say(login, flags, text) say_bytes(login, flags, text, sizeof(text) - 1)

/* The value that the reply gives a key; NULL if it does not name it. */
static const char *answer(struct login *login, const char *key)
{
    static char copy[8192];
    struct reader r = reader_over(copy, login->reply_text.length_bytes);
    const char *name, *value;

    memcpy(copy, text_string(&login->reply_text), login->reply_text.length_bytes);
    while (iscsi_text_next(&r, &name, &value) == TEXT_PAIR) {
        if (string_equal(name, key))
            return value;
    }
    return NULL;
}

static void linux_logs_in_with_one_request(void **state)
{
    struct login *login = *state;
    enum login_outcome outcome = say(
        login, OPERATIONAL_TO_FULL,
        NAMES
        "InitiatorAlias=pi-01\0SessionType=Normal\0HeaderDigest=None\0DataDigest=None\0DefaultTime2Wait=2\0"
        "DefaultTime2Retain=0\0IFMarker=No\0OFMarker=No\0ErrorRecoveryLevel=0\0InitialR2T=No\0ImmediateData="
        "Yes\0"
        "MaxBurstLength=16776192\0FirstBurstLength=262144\0MaxOutstandingR2T=1\0MaxConnections="
        "1\0DataPDUInOrder=Yes\0"
        "DataSequenceInOrder=Yes\0MaxRecvDataSegmentLength=262144\0");

    assert_int_equal(outcome, LOGIN_IDENTIFY);
    assert_string_equal(login->parameters.initiator_alias, "pi-01");
    assert_int_equal(login_identified(login, LOGIN_SUCCESS, "pi-01", NULL), LOGIN_FINISH);
    assert_int_equal(login_finished(login, LOGIN_SUCCESS, 9), LOGIN_COMPLETE);
    assert_int_equal(login->reply.flags, OPERATIONAL_TO_FULL);
    assert_int_equal(login->reply.lun[5], 1);
    assert_int_equal(login->reply.lun[7], 9);
    assert_int_equal(login->reply.words[WORD_STAT_SN], 5);
    assert_int_equal(login->reply.words[WORD_EXP_CMD_SN], 42);
    assert_string_equal(answer(login, "InitialR2T"), "No");
    assert_string_equal(answer(login, "ImmediateData"), "Yes");
    assert_string_equal(answer(login, "TargetPortalGroupTag"), "1");
    assert_string_equal(answer(login, "MaxRecvDataSegmentLength"), "262144");
    assert_string_equal(answer(login, "IFMarker"), "No");
    assert_null(answer(login, "InitiatorName"));
    assert_null(answer(login, "SessionType"));
    assert_int_equal(login->parameters.peer_max_recv_bytes, 262144);
    assert_int_equal(login->parameters.first_burst_bytes, 262144);
    assert_int_equal(login->parameters.max_burst_bytes, 1 << 20);
}

static void ipxe_comes_by_the_security_stage(void **state)
{
    struct login *login = *state;

    assert_int_equal(say(login, TO_OPERATIONAL, NAMES "SessionType=Normal\0AuthMethod=CHAP,None\0"),
                     LOGIN_IDENTIFY);
    assert_int_equal(login_identified(login, LOGIN_SUCCESS, NULL, NULL), LOGIN_ANSWER);
    assert_int_equal(login->reply.flags, TO_OPERATIONAL);
    assert_string_equal(answer(login, "AuthMethod"), "None");
    assert_string_equal(answer(login, "TargetPortalGroupTag"), "1");
    assert_null(answer(login, "MaxRecvDataSegmentLength"));
    assert_int_equal(
        say(login, OPERATIONAL_TO_FULL,
            "HeaderDigest=None\0DataDigest=None\0MaxConnections=1\0InitialR2T=Yes\0ImmediateData=No\0"
            "MaxRecvDataSegmentLength=8192\0MaxBurstLength=262144\0DefaultTime2Wait=0\0"
            "DefaultTime2Retain=0\0MaxOutstandingR2T=1\0DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0"
            "ErrorRecoveryLevel=0\0"),
        LOGIN_FINISH);
    assert_int_equal(login_finished(login, LOGIN_SUCCESS, 1), LOGIN_COMPLETE);
    assert_true(login->parameters.initial_r2t);
    assert_false(login->parameters.immediate_data);
    assert_int_equal(login->parameters.peer_max_recv_bytes, 8192);
    assert_int_equal(login->reply.words[WORD_STAT_SN], 6);
}

static void security_may_lead_straight_to_full_feature(void **state)
{
    assert_int_equal(say(*state, SECURITY_TO_FULL, NAMES "AuthMethod=None\0"), LOGIN_IDENTIFY);
    assert_int_equal(login_identified(*state, LOGIN_SUCCESS, NULL, NULL), LOGIN_FINISH);
}

static void discovery_needs_no_target(void **state)
{
    struct login *login = *state;

    assert_int_equal(
        say(login, OPERATIONAL_TO_FULL, "InitiatorName=iqn.x\0SessionType=Discovery\0MaxBurstLength=512\0"),
        LOGIN_IDENTIFY);
    assert_int_equal(login_identified(login, LOGIN_SUCCESS, NULL, NULL), LOGIN_FINISH);
    assert_string_equal(answer(login, "MaxBurstLength"), "Irrelevant");
    assert_null(answer(login, "TargetPortalGroupTag"));
}

static void keys_may_be_split_over_requests(void **state)
{
    struct login *login = *state;
    static const char all[] = NAMES "MaxBurstLength=65536\0";
    enum { CONTINUE = 0x44 };

    for (size_t i = 0; i + 1 < sizeof(all) - 1; i++)
        assert_int_equal(say_bytes(login, CONTINUE, all + i, 1), LOGIN_ANSWER);
    assert_int_equal(login->reply_text.length_bytes, 0);
    assert_int_equal(say_bytes(login, OPERATIONAL_TO_FULL, all + sizeof(all) - 2, 1), LOGIN_IDENTIFY);
    assert_int_equal(login_identified(login, LOGIN_SUCCESS, NULL, NULL), LOGIN_FINISH);
    assert_string_equal(answer(login, "MaxBurstLength"), "65536");
}

static void text_without_end_is_refused(void **state)
{
    static char endless[8192];
    enum login_outcome outcome = LOGIN_ANSWER;

    memset(endless, 'A', sizeof(endless));
    for (int i = 0; i < 4 && outcome == LOGIN_ANSWER; i++)
        outcome = say_bytes(*state, 0x44, endless, sizeof(endless));
    assert_int_equal(outcome, LOGIN_REFUSED);
    assert_int_equal(((struct login *)*state)->status, LOGIN_OUT_OF_RESOURCES);
}

/* One key in an otherwise complete request: what is answered. */
static void how_values_are_combined(void **state)
{
    static const struct {
        const char *offer, *key, *answer; /* answer NULL: none */
    } rows[] = {
        {"MaxBurstLength=512", "MaxBurstLength", "512"},
        {"MaxBurstLength=16777215", "MaxBurstLength", "1048576"},
        {"MaxBurstLength=0x10000", "MaxBurstLength", "65536"},
        {"MaxBurstLength=511", "MaxBurstLength", "Reject"},
        {"MaxBurstLength=many", "MaxBurstLength", "Reject"},
        {"FirstBurstLength=65536", "FirstBurstLength", "65536"},
        {"DefaultTime2Wait=0", "DefaultTime2Wait", "2"},
        {"DefaultTime2Wait=60", "DefaultTime2Wait", "60"},
        {"DefaultTime2Retain=20", "DefaultTime2Retain", "0"},
        {"MaxOutstandingR2T=16", "MaxOutstandingR2T", "4"},
        {"MaxOutstandingR2T=0", "MaxOutstandingR2T", "Reject"},
        {"MaxConnections=8", "MaxConnections", "1"},
        {"ErrorRecoveryLevel=2", "ErrorRecoveryLevel", "0"},
        {"InitialR2T=Yes", "InitialR2T", "Yes"},
        {"InitialR2T=No", "InitialR2T", "No"},
        {"InitialR2T=no", "InitialR2T", "Reject"},
        {"ImmediateData=No", "ImmediateData", "No"},
        {"DataPDUInOrder=No", "DataPDUInOrder", "Yes"},
        {"HeaderDigest=CRC32C,None", "HeaderDigest", "CRC32C"},
        {"HeaderDigest=None,CRC32C", "HeaderDigest", "None"},
        {"DataDigest=CRC32C", "DataDigest", "CRC32C"},
        {"DataDigest=X-other,None", "DataDigest", "None"},
        {"OFMarker=Yes", "OFMarker", "No"},
        {"OFMarkInt=1~2", "OFMarkInt", "Reject"},
        {"SendTargets=All", "SendTargets", "Reject"},
        {"TaskReporting=FastAbort,RFC3720", "TaskReporting", "RFC3720"},
        {"TaskReporting=FastAbort", "TaskReporting", "Reject"},
        {"iSCSIProtocolLevel=2", "iSCSIProtocolLevel", "1"},
        {"X-com.example.key=1", "X-com.example.key", "NotUnderstood"},
        {"RDMAExtensions=No", "RDMAExtensions", "NotUnderstood"},
        {"MaxRecvDataSegmentLength=512", "MaxRecvDataSegmentLength", "262144"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct login login;
        char request[512];
        memcpy(request, NAMES, sizeof(NAMES) - 1);
        strcpy(request + sizeof(NAMES) - 1, rows[i].offer);
        login_init(&login, 1, &policy);
        assert_int_equal(
            say_bytes(&login, OPERATIONAL_TO_FULL, request, sizeof(NAMES) + strlen(rows[i].offer)),
            LOGIN_IDENTIFY);
        assert_int_equal(login_identified(&login, LOGIN_SUCCESS, NULL, NULL), LOGIN_FINISH);
        const char *got = answer(&login, rows[i].key);
        if (!got || !string_equal(got, rows[i].answer))
            fail_msg("%s: answered %s, expected %s", rows[i].offer, got ? got : "nothing", rows[i].answer);
        login_free(&login);
    }
}

/* RFC 7143 section 13, key by key: each is known, and none is answered against its rule. `answer` NULL: it is
 * declared, or belongs elsewhere in the request. */
static void every_key_of_the_standard_is_known(void **state)
{
    static const struct {
        const char *key, *value, *answer;
    } rows[] = {
        {"HeaderDigest", "None", "None"},
        {"DataDigest", "None", "None"},
        {"MaxConnections", "2", "1"},
        {"SendTargets", "All", "Reject"},
        {"TargetAlias", "x", "Reject"},
        {"InitiatorAlias", "x", NULL},
        {"TargetAddress", "192.0.2.1", "Reject"},
        {"TargetPortalGroupTag", "2", "1"}, /* rejected, behind our own */
        {"InitialR2T", "No", "No"},
        {"ImmediateData", "Yes", "Yes"},
        {"MaxRecvDataSegmentLength", "8192", "262144"},
        {"MaxBurstLength", "8192", "8192"},
        {"FirstBurstLength", "8192", "8192"},
        {"DefaultTime2Wait", "3", "3"},
        {"DefaultTime2Retain", "0", "0"},
        {"MaxOutstandingR2T", "1", "1"},
        {"DataPDUInOrder", "Yes", "Yes"},
        {"DataSequenceInOrder", "Yes", "Yes"},
        {"ErrorRecoveryLevel", "1", "0"},
        {"SessionType", "Normal", NULL},
        {"TaskReporting", "RFC3720", "RFC3720"},
        {"iSCSIProtocolLevel", "1", "1"},
        {"IFMarker", "Yes", "No"},
        {"OFMarker", "Yes", "No"},
        {"IFMarkInt", "1~2", "Reject"},
        {"OFMarkInt", "1~2", "Reject"},
        {"X-NodeArchitecture", "x", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct login login;
        char request[512];
        memcpy(request, NAMES, sizeof(NAMES) - 1);
        int length = snprintf(request + sizeof(NAMES) - 1, 128, "%s=%s", rows[i].key, rows[i].value);
        login_init(&login, 1, &policy);
        assert_int_equal(say_bytes(&login, OPERATIONAL_TO_FULL, request, sizeof(NAMES) + (size_t)length),
                         LOGIN_IDENTIFY);
        assert_int_equal(login_identified(&login, LOGIN_SUCCESS, NULL, NULL), LOGIN_FINISH);
        const char *got = answer(&login, rows[i].key);
        if (rows[i].answer ? !got || !string_equal(got, rows[i].answer) : got != NULL)
            fail_msg("%s: answered %s", rows[i].key, got ? got : "nothing");
        login_free(&login);
    }
}

static void the_first_burst_is_no_longer_than_a_burst(void **state)
{
    struct login *login = *state;

    say(login, OPERATIONAL_TO_FULL, NAMES "FirstBurstLength=262144\0MaxBurstLength=8192\0");
    login_identified(login, LOGIN_SUCCESS, NULL, NULL);
    assert_int_equal(login->parameters.first_burst_bytes, 8192);
}

struct refusal {
    const char *what;
    uint8_t flags;
    const char *text;
    size_t length;
    enum login_status status;
};

#define TEXT(t) t, sizeof(t) - 1

static void what_is_refused(void **state)
{
    static const struct refusal rows[] = {
        {"no initiator name", OPERATIONAL_TO_FULL, TEXT("TargetName=iqn.x\0"), LOGIN_MISSING_PARAMETER},
        {"no target name", OPERATIONAL_TO_FULL, TEXT("InitiatorName=iqn.x\0"), LOGIN_MISSING_PARAMETER},
        {"a key twice", OPERATIONAL_TO_FULL, TEXT(NAMES "InitiatorName=iqn.y\0"), LOGIN_INITIATOR_ERROR},
        {"not text", OPERATIONAL_TO_FULL, TEXT("gibberish\0"), LOGIN_INITIATOR_ERROR},
        {"an odd session type", OPERATIONAL_TO_FULL, TEXT(NAMES "SessionType=Odd\0"),
         LOGIN_SESSION_TYPE_NOT_SUPPORTED},
        {"stage 2", 0x08, TEXT(NAMES), LOGIN_INITIATOR_ERROR},
        {"full feature as a start", 0x8f, TEXT(NAMES), LOGIN_INITIATOR_ERROR},
        {"a step to where it is", 0x85, TEXT(NAMES), LOGIN_INITIATOR_ERROR},
        {"transit with more to come", 0xc7, TEXT(NAMES), LOGIN_INITIATOR_ERROR},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct login login;
        login_init(&login, 1, &policy);
        enum login_outcome outcome = say_bytes(&login, rows[i].flags, rows[i].text, rows[i].length);
        if (outcome != LOGIN_REFUSED || login.status != rows[i].status)
            fail_msg("%s: outcome %d, status %04x", rows[i].what, outcome, login.status);
        assert_int_equal(login.reply.words[WORD_DATA_SN], (uint32_t)rows[i].status << 16);
        login_free(&login);
    }
}

static void only_chap_is_an_authentication_failure(void **state)
{
    assert_int_equal(say(*state, SECURITY, NAMES "AuthMethod=CHAP\0"), LOGIN_IDENTIFY);
    assert_int_equal(login_identified(*state, LOGIN_SUCCESS, NULL, NULL), LOGIN_REFUSED);
    assert_int_equal(((struct login *)*state)->status, LOGIN_AUTHENTICATION_FAILURE);
}

static const struct chap_account account = {.user = "pi", .secret = "correct-secret-1"};

static enum login_outcome begin_chap(struct login *login, uint8_t flags, const char *methods)
{
    char text[512];

    memcpy(text, NAMES, sizeof(NAMES) - 1);
    int length = snprintf(text + sizeof(NAMES) - 1, 64, "AuthMethod=%s", methods);
    assert_int_equal(say_bytes(login, flags, text, sizeof(NAMES) + (size_t)length), LOGIN_IDENTIFY);
    return login_identified(login, LOGIN_SUCCESS, NULL, &account);
}

static void chap_is_demanded_of_a_machine_that_has_it(void **state)
{
    struct login *login = *state;

    assert_int_equal(begin_chap(login, SECURITY, "None"), LOGIN_REFUSED);
    assert_int_equal(login->status, LOGIN_AUTHENTICATION_FAILURE);
}

static void going_past_the_security_stage_is_refused(void **state)
{
    struct login *login = *state;

    assert_int_equal(say(login, OPERATIONAL_TO_FULL, NAMES), LOGIN_IDENTIFY);
    assert_int_equal(login_identified(login, LOGIN_SUCCESS, NULL, &account), LOGIN_REFUSED);
    assert_int_equal(login->status, LOGIN_AUTHENTICATION_FAILURE);
}

static void leaving_the_security_stage_unasked_is_refused(void **state)
{
    struct login *login = *state;

    assert_int_equal(say(login, TO_OPERATIONAL, NAMES), LOGIN_IDENTIFY);
    assert_int_equal(login_identified(login, LOGIN_SUCCESS, NULL, &account), LOGIN_REFUSED);
    assert_int_equal(login->status, LOGIN_AUTHENTICATION_FAILURE);
}

static void chap_opens_the_next_stage(void **state)
{
    struct login *login = *state;
    uint8_t challenge[32], response[CHAP_DIGEST_MAX_BYTES];
    CLEANUP_TEXT struct text request = text_with_max(1024);

    /* iPXE wants to leave at once: it is kept. */
    assert_int_equal(begin_chap(login, TO_OPERATIONAL, "CHAP,None"), LOGIN_ANSWER);
    assert_int_equal(login->reply.flags, SECURITY);
    assert_string_equal(answer(login, "AuthMethod"), "CHAP");
    assert_int_equal(say(login, TO_OPERATIONAL, "CHAP_A=5,7\0"), LOGIN_ANSWER);
    assert_string_equal(answer(login, "CHAP_A"), "7");
    assert_string_equal(answer(login, "CHAP_I"), "90");
    memset(challenge, 0x5a, sizeof(challenge));
    size_t length = chap_digest(CHAP_SHA256, 90, account.secret, challenge, sizeof(challenge), response);
    iscsi_text_put(&request, "CHAP_N", account.user);
    iscsi_text_put_bytes(&request, "CHAP_R", response, length);
    assert_int_equal(say_bytes(login, TO_OPERATIONAL, text_string(&request), request.length_bytes),
                     LOGIN_ANSWER);
    assert_int_equal(login->reply.flags, TO_OPERATIONAL);
    assert_int_equal(say(login, OPERATIONAL_TO_FULL, "HeaderDigest=None\0"), LOGIN_FINISH);
}

static void chap_keys_without_chap_are_an_error(void **state)
{
    assert_int_equal(say(*state, SECURITY, NAMES "AuthMethod=None\0CHAP_A=5\0"), LOGIN_IDENTIFY);
    assert_int_equal(login_identified(*state, LOGIN_SUCCESS, NULL, NULL), LOGIN_REFUSED);
    assert_int_equal(((struct login *)*state)->status, LOGIN_INITIATOR_ERROR);
}

static void the_callers_refusal_is_told(void **state)
{
    struct login *login = *state;

    say(login, OPERATIONAL_TO_FULL, NAMES);
    assert_int_equal(login_identified(login, LOGIN_FORBIDDEN, NULL, NULL), LOGIN_REFUSED);
    assert_int_equal(login->reply.words[WORD_DATA_SN], 0x02020000);
}

static void going_back_is_refused(void **state)
{
    say(*state, OPERATIONAL, NAMES);
    assert_int_equal(login_identified(*state, LOGIN_SUCCESS, NULL, NULL), LOGIN_ANSWER);
    assert_int_equal(say(*state, SECURITY, "AuthMethod=None\0"), LOGIN_REFUSED);
}

static void another_version_is_refused(void **state)
{
    const struct pdu pdu = {.opcode = PDU_LOGIN_REQUEST, .flags = OPERATIONAL, .detail = {1, 1}};

    assert_int_equal(login_request(*state, &pdu, NULL), LOGIN_REFUSED);
    assert_int_equal(((struct login *)*state)->status, LOGIN_UNSUPPORTED_VERSION);
}

static void another_opcode_is_refused(void **state)
{
    const struct pdu pdu = {.opcode = PDU_SCSI_COMMAND};

    assert_int_equal(login_request(*state, &pdu, NULL), LOGIN_REFUSED);
    assert_int_equal(((struct login *)*state)->status, LOGIN_INVALID_REQUEST);
}

#define WITH_LOGIN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOGIN(linux_logs_in_with_one_request),
        WITH_LOGIN(ipxe_comes_by_the_security_stage),
        WITH_LOGIN(security_may_lead_straight_to_full_feature),
        WITH_LOGIN(discovery_needs_no_target),
        WITH_LOGIN(keys_may_be_split_over_requests),
        WITH_LOGIN(text_without_end_is_refused),
        cmocka_unit_test(how_values_are_combined),
        cmocka_unit_test(every_key_of_the_standard_is_known),
        WITH_LOGIN(the_first_burst_is_no_longer_than_a_burst),
        cmocka_unit_test(what_is_refused),
        WITH_LOGIN(only_chap_is_an_authentication_failure),
        WITH_LOGIN(chap_is_demanded_of_a_machine_that_has_it),
        WITH_LOGIN(going_past_the_security_stage_is_refused),
        WITH_LOGIN(leaving_the_security_stage_unasked_is_refused),
        WITH_LOGIN(chap_opens_the_next_stage),
        WITH_LOGIN(chap_keys_without_chap_are_an_error),
        WITH_LOGIN(the_callers_refusal_is_told),
        WITH_LOGIN(going_back_is_refused),
        WITH_LOGIN(another_version_is_refused),
        WITH_LOGIN(another_opcode_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
