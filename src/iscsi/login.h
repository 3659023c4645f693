/*
 * The login phase: from the first request to full feature phase (RFC 7143 sections 6 and 13).
 *
 * Pure: PDUs in, a decision and a reply out. Who may log in, and what a disk is, its caller says when asked.
 * Every key of the RFC stands in one table with the rule that combines both sides' values.
 */
#pragma once

#include "iscsi/chap.h"
#include "iscsi/pdu.h"
#include "iscsi/text.h"

enum { ISCSI_NAME_SIZE = 224, ISCSI_ISID_BYTES = 6 };

/* Status class and detail (RFC 7143 11.13.5), as class << 8 | detail. */
enum login_status {
    LOGIN_SUCCESS = 0x0000,
    LOGIN_INITIATOR_ERROR = 0x0200,
    LOGIN_AUTHENTICATION_FAILURE = 0x0201,
    LOGIN_FORBIDDEN = 0x0202,
    LOGIN_NOT_FOUND = 0x0203,
    LOGIN_UNSUPPORTED_VERSION = 0x0205,
    LOGIN_TOO_MANY_CONNECTIONS = 0x0206,
    LOGIN_MISSING_PARAMETER = 0x0207,
    LOGIN_SESSION_TYPE_NOT_SUPPORTED = 0x0209,
    LOGIN_NO_SESSION = 0x020a,
    LOGIN_INVALID_REQUEST = 0x020b,
    LOGIN_TARGET_ERROR = 0x0300,
    LOGIN_UNAVAILABLE = 0x0301,
    LOGIN_OUT_OF_RESOURCES = 0x0302,
};

/* What both sides agreed on. */
struct session_parameters {
    char initiator_name[ISCSI_NAME_SIZE];
    char initiator_alias[64];
    char target_name[ISCSI_NAME_SIZE];
    uint8_t isid[ISCSI_ISID_BYTES];
    uint16_t tsih; /* as the initiator gave it: 0 for a new session */
    uint16_t cid;
    bool discovery;
    uint32_t header_digest; /* enum digest */
    uint32_t data_digest;
    uint32_t peer_max_recv_bytes; /* the largest data segment that the initiator takes */
    uint32_t max_connections;
    uint32_t initial_r2t;
    uint32_t immediate_data;
    uint32_t max_burst_bytes;
    uint32_t first_burst_bytes;
    uint32_t time2wait_seconds;
    uint32_t time2retain_seconds;
    uint32_t max_outstanding_r2t;
    uint32_t data_pdu_in_order;
    uint32_t data_sequence_in_order;
    uint32_t error_recovery_level;
    uint32_t protocol_level;
};

enum digest { DIGEST_NONE, DIGEST_CRC32C };

enum login_outcome {
    LOGIN_ANSWER,   /* send the reply; the login goes on */
    LOGIN_IDENTIFY, /* names are known: the caller decides and calls `login_identified` */
    LOGIN_FINISH,   /* agreed: the caller makes the session and calls `login_finished` */
    LOGIN_COMPLETE, /* send the reply; the session begins */
    LOGIN_REFUSED,  /* send the reply and close */
};

enum login_stage { LOGIN_SECURITY = 0, LOGIN_OPERATIONAL = 1, LOGIN_FULL_FEATURE = 3 };

struct login {
    uint16_t portal_group;
    struct session_parameters parameters;
    enum login_stage stage;
    bool started;
    bool identified;
    bool declared;               /* our own declarations were sent */
    bool authenticated;          /* nothing needs to be proved, or it was */
    struct chap_account account; /* what is to be proved, unless authenticated */
    const struct chap_policy *chap_policy;
    struct chap chap;
    uint64_t seen;       /* keys that came, by their row in the table */
    struct text request; /* what came in PDUs with the C bit */
    struct pdu asked;    /* the request that is being answered */
    uint32_t stat_sn;
    enum login_status status;
    const char *reason; /* of an authentication failure; continues "cannot log in: " */

    struct pdu reply;
    struct text reply_text;
};

/* `chap_policy` outlives it. */
void login_init(struct login *login, uint16_t portal_group, const struct chap_policy *chap_policy);
void login_free(struct login *login);

/* One login request with its data segment. */
enum login_outcome login_request(struct login *login, const struct pdu *pdu, const uint8_t *data);
/* The caller's decision: LOGIN_SUCCESS or why not. `target_alias` may be NULL. With an `account` the
 * initiator must prove by CHAP that it knows its secret; NULL: it need not. */
enum login_outcome login_identified(struct login *login, enum login_status status, const char *target_alias,
                                    const struct chap_account *account);
/* `tsih` is not 0 on success. */
enum login_outcome login_finished(struct login *login, enum login_status status, uint16_t tsih);
/* The status in words, for logs. */
const char *login_status_text(enum login_status status);
