#include "iscsi/login.h"

#include <openssl/crypto.h>

enum {
    CSG_SHIFT = 2,
    STAGE_MASK = 3,
    REPLY_MAX_BYTES = 8192,
    DEFAULT_MAX_RECV_BYTES = 8192,
    OUR_MAX_BURST_BYTES = 1 << 20,
    OUR_FIRST_BURST_BYTES = 262144,
    OUR_OUTSTANDING_R2T = 4,
    LENGTH_MIN_BYTES = 512,
    LENGTH_MAX_BYTES = (1 << 24) - 1,
    SECONDS_MAX = 3600,
};

enum rule {
    RULE_DECLARED, /* the initiator says it; there is no answer */
    RULE_MIN,
    RULE_MAX,
    RULE_OR,
    RULE_AND,
    RULE_DIGEST, /* the first of the list that we have */
    RULE_AUTH,
    RULE_CHAP,    /* a step of the authentication (RFC 7143 12.1.3) */
    RULE_TASKS,   /* TaskReporting: the one way that RFC 3720 knew */
    RULE_IGNORED, /* the initiator says it; it changes nothing */
    RULE_NAME,    /* a declared text */
    RULE_SESSION_TYPE,
    RULE_NO,     /* obsolete markers: always No (RFC 7143 13.25) */
    RULE_REJECT, /* not during login, or not from an initiator */
};

#define AT(member) offsetof(struct session_parameters, member)

/* RFC 7143 section 13, in its order, and the keys of section 12 that we know. `ours` is the value that we
 * bring to the combination, and what a key has that was never offered is set by `login_init`. */
static const struct key {
    const char *name;
    enum rule rule;
    size_t at;
    uint32_t ours;
    uint32_t min;
    uint32_t max;
    bool irrelevant_in_discovery;
} keys[] = {
    {"HeaderDigest", RULE_DIGEST, AT(header_digest)},
    {"DataDigest", RULE_DIGEST, AT(data_digest)},
    {"MaxConnections", RULE_MIN, AT(max_connections), 1, 1, 65535, true},
    {"SendTargets", RULE_REJECT},
    {"TargetName", RULE_NAME, AT(target_name), .max = ISCSI_NAME_SIZE},
    {"InitiatorName", RULE_NAME, AT(initiator_name), .max = ISCSI_NAME_SIZE},
    {"TargetAlias", RULE_REJECT},
    {"InitiatorAlias", RULE_NAME, AT(initiator_alias), .max = 64},
    {"TargetAddress", RULE_REJECT},
    {"TargetPortalGroupTag", RULE_REJECT},
    {"InitialR2T", RULE_OR, AT(initial_r2t), 0, 0, 1, true},
    {"ImmediateData", RULE_AND, AT(immediate_data), 1, 0, 1, true},
    {"MaxRecvDataSegmentLength", RULE_DECLARED, AT(peer_max_recv_bytes), 0, LENGTH_MIN_BYTES,
     LENGTH_MAX_BYTES},
    {"MaxBurstLength", RULE_MIN, AT(max_burst_bytes), OUR_MAX_BURST_BYTES, LENGTH_MIN_BYTES, LENGTH_MAX_BYTES,
     true},
    {"FirstBurstLength", RULE_MIN, AT(first_burst_bytes), OUR_FIRST_BURST_BYTES, LENGTH_MIN_BYTES,
     LENGTH_MAX_BYTES, true},
    {"DefaultTime2Wait", RULE_MAX, AT(time2wait_seconds), 2, 0, SECONDS_MAX},
    {"DefaultTime2Retain", RULE_MIN, AT(time2retain_seconds), 0, 0, SECONDS_MAX},
    {"MaxOutstandingR2T", RULE_MIN, AT(max_outstanding_r2t), OUR_OUTSTANDING_R2T, 1, 65535, true},
    {"DataPDUInOrder", RULE_OR, AT(data_pdu_in_order), 1, 0, 1, true},
    {"DataSequenceInOrder", RULE_OR, AT(data_sequence_in_order), 1, 0, 1, true},
    {"ErrorRecoveryLevel", RULE_MIN, AT(error_recovery_level), 0, 0, 2},
    {"SessionType", RULE_SESSION_TYPE, AT(discovery)},
    {"TaskReporting", RULE_TASKS, .irrelevant_in_discovery = true},
    {"iSCSIProtocolLevel", RULE_MIN, AT(protocol_level), 1, 0, 31, true},
    {"X-NodeArchitecture", RULE_IGNORED},
    {"AuthMethod", RULE_AUTH},
    {"CHAP_A", RULE_CHAP, .at = CHAP_KEY_A},
    {"CHAP_I", RULE_CHAP, .at = CHAP_KEY_I},
    {"CHAP_C", RULE_CHAP, .at = CHAP_KEY_C},
    {"CHAP_N", RULE_CHAP, .at = CHAP_KEY_N},
    {"CHAP_R", RULE_CHAP, .at = CHAP_KEY_R},
    {"IFMarker", RULE_NO},
    {"OFMarker", RULE_NO},
    {"IFMarkInt", RULE_REJECT},
    {"OFMarkInt", RULE_REJECT},
};

_Static_assert(ARRAY_SIZE(keys) <= 64, "one bit of `seen` for each key");

static uint32_t *number_of(struct login *login, const struct key *key)
{
    return (uint32_t *)((char *)&login->parameters + key->at);
}

void login_init(struct login *login, uint16_t portal_group, const struct chap_policy *chap_policy)
{
    memset(login, 0, sizeof(*login));
    login->chap_policy = chap_policy;
    login->portal_group = portal_group;
    login->request = text_with_max(ISCSI_TEXT_MAX_BYTES);
    login->reply_text = text_with_max(REPLY_MAX_BYTES);
    login->parameters = (struct session_parameters){
        .peer_max_recv_bytes = DEFAULT_MAX_RECV_BYTES,
        .max_connections = 1,
        .initial_r2t = true,
        .immediate_data = true,
        .max_burst_bytes = 262144,
        .first_burst_bytes = 65536,
        .time2wait_seconds = 2,
        .time2retain_seconds = 20,
        .max_outstanding_r2t = 1,
        .data_pdu_in_order = true,
        .data_sequence_in_order = true,
        .protocol_level = 1,
    };
}

void login_free(struct login *login)
{
    text_free(&login->request);
    text_free(&login->reply_text);
    OPENSSL_cleanse(&login->account, sizeof(login->account));
}

/* ---- replies ---- */

static void begin_reply(struct login *login)
{
    const struct pdu *asked = &login->asked;

    text_free(&login->reply_text);
    login->reply_text = text_with_max(REPLY_MAX_BYTES);
    login->reply = (struct pdu){.opcode = PDU_LOGIN_RESPONSE, .task_tag = asked->task_tag};
    memcpy(login->reply.lun, asked->lun, sizeof(login->reply.lun));
    /* Login requests are immediate: they show the first CmdSN of the session without using it up. */
    login->reply.words[WORD_EXP_CMD_SN] = asked->words[WORD_CMD_SN];
    login->reply.words[WORD_MAX_CMD_SN] = asked->words[WORD_CMD_SN];
    login->reply.flags = (uint8_t)(login->stage << CSG_SHIFT);
}

static enum login_outcome end_reply(struct login *login, enum login_outcome outcome)
{
    login->reply.words[WORD_STAT_SN] = login->stat_sn++;
    login->reply.data_bytes = (uint32_t)login->reply_text.length_bytes;
    return outcome;
}

static enum login_outcome refuse(struct login *login, enum login_status status)
{
    begin_reply(login);
    login->status = status;
    login->reply.flags = 0;
    login->reply.words[WORD_DATA_SN] = (uint32_t)status << 16;
    return end_reply(login, LOGIN_REFUSED);
}

/* ---- keys ---- */

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (string_equal(keys[i].name, name))
            return &keys[i];
    }
    return NULL;
}

static void put_boolean(struct login *login, const struct key *key, uint32_t value)
{
    iscsi_text_put(&login->reply_text, key->name, value ? "Yes" : "No");
}

static bool parse_boolean(const char *value, uint32_t *boolean)
{
    *boolean = string_equal(value, "Yes");
    return *boolean || string_equal(value, "No");
}

static enum login_status take_boolean(struct login *login, const struct key *key, const char *value)
{
    uint32_t theirs;

    if (!parse_boolean(value, &theirs)) {
        iscsi_text_put(&login->reply_text, key->name, "Reject");
        return LOGIN_SUCCESS;
    }
    uint32_t agreed = key->rule == RULE_OR ? theirs | key->ours : theirs & key->ours;
    *number_of(login, key) = agreed;
    put_boolean(login, key, agreed);
    return LOGIN_SUCCESS;
}

static enum login_status take_number(struct login *login, const struct key *key, const char *value)
{
    uint64_t theirs;

    if (!iscsi_text_number(value, key->max, &theirs) || theirs < key->min) {
        if (key->rule == RULE_DECLARED)
            return LOGIN_INITIATOR_ERROR;
        iscsi_text_put(&login->reply_text, key->name, "Reject");
        return LOGIN_SUCCESS;
    }
    uint32_t agreed = (uint32_t)theirs;
    if (key->rule == RULE_MIN)
        agreed = MIN(agreed, key->ours);
    else if (key->rule == RULE_MAX)
        agreed = MAX(agreed, key->ours);
    *number_of(login, key) = agreed;
    if (key->rule != RULE_DECLARED)
        iscsi_text_put_number(&login->reply_text, key->name, agreed);
    return LOGIN_SUCCESS;
}

static enum login_status take_digest(struct login *login, const struct key *key, const char *value)
{
    /* The list is in the initiator's order of preference. */
    bool crc = iscsi_text_list_has(value, "CRC32C");
    bool none = iscsi_text_list_has(value, "None");
    bool first_is_crc = string_starts_with(value, "CRC32C");

    if (!crc && !none)
        return LOGIN_INITIATOR_ERROR;
    bool use_crc = crc && (!none || first_is_crc);
    *number_of(login, key) = use_crc ? DIGEST_CRC32C : DIGEST_NONE;
    iscsi_text_put(&login->reply_text, key->name, use_crc ? "CRC32C" : "None");
    return LOGIN_SUCCESS;
}

static enum login_status fail_authentication(struct login *login, const char *reason)
{
    login->reason = reason;
    return LOGIN_AUTHENTICATION_FAILURE;
}

static enum login_status take_auth(struct login *login, const struct key *key, const char *value)
{
    if (!login->authenticated && !iscsi_text_list_has(value, "CHAP"))
        return fail_authentication(login, "it does not offer CHAP, which this machine is set to");
    if (login->authenticated && !iscsi_text_list_has(value, "None"))
        return fail_authentication(login, "it insists on authentication, which this machine is not set to");
    if (!login->authenticated)
        chap_begin(&login->chap, login->chap_policy, &login->account);
    iscsi_text_put(&login->reply_text, key->name, login->authenticated ? "None" : "CHAP");
    return LOGIN_SUCCESS;
}

static enum login_status take_chap(struct login *login, const struct key *key, const char *value)
{
    if (login->chap.state == CHAP_UNUSED)
        return LOGIN_INITIATOR_ERROR;
    chap_take(&login->chap, (enum chap_key)key->at, value);
    return LOGIN_SUCCESS;
}

static enum login_status take_tasks(struct login *login, const struct key *key, const char *value)
{
    iscsi_text_put(&login->reply_text, key->name,
                   iscsi_text_list_has(value, "RFC3720") ? "RFC3720" : "Reject");
    return LOGIN_SUCCESS;
}

static enum login_status take_silently(struct login *login, const struct key *key, const char *value)
{
    return LOGIN_SUCCESS;
}

static enum login_status take_name(struct login *login, const struct key *key, const char *value)
{
    bool fits = copy_string((char *)&login->parameters + key->at, key->max, value);

    return fits ? LOGIN_SUCCESS : LOGIN_INITIATOR_ERROR;
}

static enum login_status take_session_type(struct login *login, const struct key *key, const char *value)
{
    login->parameters.discovery = string_equal(value, "Discovery");
    if (!login->parameters.discovery && !string_equal(value, "Normal"))
        return LOGIN_SESSION_TYPE_NOT_SUPPORTED;
    return LOGIN_SUCCESS;
}

static enum login_status take_marker(struct login *login, const struct key *key, const char *value)
{
    iscsi_text_put(&login->reply_text, key->name, "No");
    return LOGIN_SUCCESS;
}

static enum login_status take_nothing(struct login *login, const struct key *key, const char *value)
{
    iscsi_text_put(&login->reply_text, key->name, "Reject");
    return LOGIN_SUCCESS;
}

static enum login_status (*const take_by_rule[])(struct login *, const struct key *, const char *) = {
    [RULE_DECLARED] = take_number, [RULE_MIN] = take_number,       [RULE_MAX] = take_number,
    [RULE_OR] = take_boolean,      [RULE_AND] = take_boolean,      [RULE_DIGEST] = take_digest,
    [RULE_AUTH] = take_auth,       [RULE_NAME] = take_name,        [RULE_SESSION_TYPE] = take_session_type,
    [RULE_NO] = take_marker,       [RULE_REJECT] = take_nothing,   [RULE_CHAP] = take_chap,
    [RULE_TASKS] = take_tasks,     [RULE_IGNORED] = take_silently,
};

static enum login_status take_pair(struct login *login, const char *name, const char *value)
{
    const struct key *key = find_key(name);

    if (!key) {
        iscsi_text_put(&login->reply_text, name, "NotUnderstood");
        return LOGIN_SUCCESS;
    }
    uint64_t bit = UINT64_C(1) << (key - keys);
    if (login->seen & bit)
        return LOGIN_INITIATOR_ERROR; /* a key is negotiated once (RFC 7143 6.3) */
    login->seen |= bit;
    if (key->irrelevant_in_discovery && login->parameters.discovery) {
        iscsi_text_put(&login->reply_text, key->name, "Irrelevant");
        return LOGIN_SUCCESS;
    }
    return take_by_rule[key->rule](login, key, value);
}

/* Names and the kind of session come first, wherever they stand: what other keys mean depends on them. */
static bool is_identity(const char *name)
{
    const struct key *key = find_key(name);

    return key && (key->rule == RULE_NAME || key->rule == RULE_SESSION_TYPE);
}

static enum login_status take_pairs(struct login *login, bool identity)
{
    /* The walk changes the text, and there are two of them. */
    CLEANUP_FREE char *copy = xcalloc(1, login->request.length_bytes + 1);
    struct reader r = reader_over(copy, login->request.length_bytes);
    const char *key, *value;
    enum text_next next;
    enum login_status status = LOGIN_SUCCESS;
    unsigned count = 0;

    if (login->request.length_bytes)
        memcpy(copy, login->request.data, login->request.length_bytes);
    while (status == LOGIN_SUCCESS && (next = iscsi_text_next(&r, &key, &value)) != TEXT_END) {
        if (next == TEXT_MALFORMED || ++count > ISCSI_PAIRS_MAX)
            return LOGIN_INITIATOR_ERROR;
        if (is_identity(key) == identity)
            status = take_pair(login, key, value);
    }
    return status;
}

/* ---- the conversation ---- */

static enum login_stage current_stage(const struct pdu *pdu)
{
    return (enum login_stage)(pdu->flags >> CSG_SHIFT & STAGE_MASK);
}

static enum login_stage next_stage(const struct pdu *pdu)
{
    return (enum login_stage)(pdu->flags & STAGE_MASK);
}

static enum login_status check_request(struct login *login, const struct pdu *pdu)
{
    enum login_stage stage = current_stage(pdu);
    bool transit = pdu->flags & PDU_TRANSIT;

    if (pdu->opcode != PDU_LOGIN_REQUEST)
        return LOGIN_INVALID_REQUEST;
    if (pdu->detail[1] > 0)
        return LOGIN_UNSUPPORTED_VERSION;
    if (stage > LOGIN_OPERATIONAL || (login->started && stage != login->stage))
        return LOGIN_INITIATOR_ERROR;
    if (transit && (pdu->flags & PDU_CONTINUE || next_stage(pdu) <= stage || next_stage(pdu) == 2))
        return LOGIN_INITIATOR_ERROR;
    if (login->started && memcmp(pdu->lun, login->asked.lun, sizeof(pdu->lun)) != 0)
        return LOGIN_INVALID_REQUEST;
    return LOGIN_SUCCESS;
}

static void begin(struct login *login, const struct pdu *pdu)
{
    login->started = true;
    login->stage = current_stage(pdu);
    memcpy(login->parameters.isid, pdu->lun, ISCSI_ISID_BYTES);
    login->parameters.tsih = (uint16_t)(pdu->lun[6] << 8 | pdu->lun[7]);
    login->parameters.cid = (uint16_t)(pdu->words[WORD_CID] >> 16);
    login->stat_sn = pdu->words[WORD_EXP_STAT_SN];
}

static enum login_status check_names(const struct login *login)
{
    if (!login->parameters.initiator_name[0])
        return LOGIN_MISSING_PARAMETER;
    if (!login->parameters.discovery && !login->parameters.target_name[0])
        return LOGIN_MISSING_PARAMETER;
    return LOGIN_SUCCESS;
}

static void declare(struct login *login)
{
    if (login->stage == LOGIN_OPERATIONAL && !login->declared) {
        login->declared = true;
        iscsi_text_put_number(&login->reply_text, "MaxRecvDataSegmentLength", PDU_DATA_MAX_BYTES);
    }
}

/* One step of the authentication, if it is still to be done. */
static enum login_status authenticate(struct login *login)
{
    bool leaves = login->asked.flags & PDU_TRANSIT;

    if (login->authenticated)
        return LOGIN_SUCCESS;
    if (login->stage == LOGIN_OPERATIONAL || (login->chap.state == CHAP_UNUSED && leaves))
        return fail_authentication(login,
                                   "it does not authenticate itself, which this machine is set to (CHAP)");
    if (login->chap.state == CHAP_UNUSED)
        return LOGIN_SUCCESS;
    if (chap_answer(&login->chap, &login->reply_text) == CHAP_REFUSED)
        return fail_authentication(login, login->chap.reason);
    login->authenticated = login->chap.state == CHAP_PROVED;
    return LOGIN_SUCCESS;
}

/* Answers the keys of a request whose sender is known. */
static enum login_outcome negotiate(struct login *login)
{
    struct session_parameters *p = &login->parameters;
    enum login_status status = take_pairs(login, false);

    if (status == LOGIN_SUCCESS)
        status = authenticate(login);
    if (status != LOGIN_SUCCESS)
        return refuse(login, status);
    declare(login);
    if (login->reply_text.failed)
        return refuse(login, LOGIN_OUT_OF_RESOURCES);
    text_free(&login->request);
    login->request = text_with_max(ISCSI_TEXT_MAX_BYTES);
    p->first_burst_bytes = MIN(p->first_burst_bytes, p->max_burst_bytes);
    /* Some want to go on with their first request already; who has something to prove stays. */
    if (!(login->asked.flags & PDU_TRANSIT) || !login->authenticated)
        return end_reply(login, LOGIN_ANSWER);
    if (next_stage(&login->asked) == LOGIN_FULL_FEATURE)
        return LOGIN_FINISH;
    login->reply.flags |= PDU_TRANSIT | next_stage(&login->asked);
    login->stage = next_stage(&login->asked);
    return end_reply(login, LOGIN_ANSWER);
}

enum login_outcome login_request(struct login *login, const struct pdu *pdu, const uint8_t *data)
{
    enum login_status status = check_request(login, pdu);

    if (!login->started)
        begin(login, pdu);
    login->asked = *pdu;
    if (status != LOGIN_SUCCESS)
        return refuse(login, status);
    begin_reply(login);
    text_append_bytes(&login->request, data, pdu->data_bytes);
    if (login->request.failed)
        return refuse(login, LOGIN_OUT_OF_RESOURCES);
    if (pdu->flags & PDU_CONTINUE)
        return end_reply(login, LOGIN_ANSWER);
    status = take_pairs(login, true);
    if (status != LOGIN_SUCCESS)
        return refuse(login, status);
    if (login->identified)
        return negotiate(login);
    status = check_names(login);
    return status == LOGIN_SUCCESS ? LOGIN_IDENTIFY : refuse(login, status);
}

enum login_outcome login_identified(struct login *login, enum login_status status, const char *target_alias,
                                    const struct chap_account *account)
{
    if (status != LOGIN_SUCCESS)
        return refuse(login, status);
    login->identified = true;
    login->authenticated = !account;
    if (account)
        login->account = *account;
    if (!login->parameters.discovery) {
        iscsi_text_put_number(&login->reply_text, "TargetPortalGroupTag", login->portal_group);
        if (target_alias)
            iscsi_text_put(&login->reply_text, "TargetAlias", target_alias);
    }
    return negotiate(login);
}

enum login_outcome login_finished(struct login *login, enum login_status status, uint16_t tsih)
{
    if (status != LOGIN_SUCCESS)
        return refuse(login, status);
    CHECK(tsih != 0);
    login->reply.flags |= PDU_TRANSIT | LOGIN_FULL_FEATURE;
    login->stage = LOGIN_FULL_FEATURE;
    login->reply.lun[6] = (uint8_t)(tsih >> 8);
    login->reply.lun[7] = (uint8_t)tsih;
    return end_reply(login, LOGIN_COMPLETE);
}

const char *login_status_text(enum login_status status)
{
    static const struct {
        enum login_status status;
        const char *text;
    } texts[] = {
        {LOGIN_SUCCESS, "success"},
        {LOGIN_INITIATOR_ERROR, "initiator error"},
        {LOGIN_AUTHENTICATION_FAILURE, "authentication failure"},
        {LOGIN_FORBIDDEN, "authorization failure"},
        {LOGIN_NOT_FOUND, "no such target"},
        {LOGIN_UNSUPPORTED_VERSION, "unsupported version"},
        {LOGIN_TOO_MANY_CONNECTIONS, "too many connections"},
        {LOGIN_MISSING_PARAMETER, "missing parameter"},
        {LOGIN_SESSION_TYPE_NOT_SUPPORTED, "session type not supported"},
        {LOGIN_NO_SESSION, "session does not exist"},
        {LOGIN_INVALID_REQUEST, "invalid request during login"},
        {LOGIN_TARGET_ERROR, "target error"},
        {LOGIN_UNAVAILABLE, "service unavailable"},
        {LOGIN_OUT_OF_RESOURCES, "out of resources"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (texts[i].status == status)
            return texts[i].text;
    }
    return "unknown";
}
