/*
 * CHAP inside the security stage of a login: challenge and response, one way or both ways (RFC 7143 12.1.3,
 * RFC 1994).
 *
 * Pure: it gets the keys of one request after the other and writes the answer's. Random bytes come from its
 * caller's function. Whose secret counts, and whether any is needed, its caller says.
 */
#pragma once

#include "base/text.h"

/* Numbers of the standard (RFC 7143 12.1.3, IANA's registry "iSCSI CHAP algorithms"). */
enum chap_algorithm {
    CHAP_MD5 = 5,
    CHAP_SHA1 = 6,
    CHAP_SHA256 = 7,
    CHAP_SHA3_256 = 8,
};

enum {
    CHAP_NAME_SIZE = 64,
    CHAP_SECRET_SIZE = 64,
    CHAP_CHALLENGE_MAX_BYTES = 1024, /* RFC 7143 12.1.3 */
    CHAP_DIGEST_MAX_BYTES = 32,
};

#define CHAP_ALGORITHM_BIT(algorithm) (1u << (algorithm))
#define CHAP_ALGORITHMS_ALL                                                                                  \
    (CHAP_ALGORITHM_BIT(CHAP_MD5) | CHAP_ALGORITHM_BIT(CHAP_SHA1) | CHAP_ALGORITHM_BIT(CHAP_SHA256) |        \
     CHAP_ALGORITHM_BIT(CHAP_SHA3_256))

/* What holds for every login. */
struct chap_policy {
    unsigned algorithms; /* those that may be used, as CHAP_ALGORITHM_BIT */
    void (*random)(void *to, size_t length_bytes);
};

/* Who must prove to know what, and how we prove who we are. */
struct chap_account {
    char user[CHAP_NAME_SIZE];
    char secret[CHAP_SECRET_SIZE];
    char target_user[CHAP_NAME_SIZE]; /* empty: we prove nothing */
    char target_secret[CHAP_SECRET_SIZE];
};

enum chap_key { CHAP_KEY_A, CHAP_KEY_I, CHAP_KEY_C, CHAP_KEY_N, CHAP_KEY_R };

enum chap_state {
    CHAP_UNUSED,
    CHAP_AGREED,          /* AuthMethod=CHAP is being answered */
    CHAP_WANTS_ALGORITHM, /* CHAP_A */
    CHAP_WANTS_RESPONSE,  /* CHAP_N and CHAP_R, perhaps CHAP_I and CHAP_C */
    CHAP_PROVED,
};

enum chap_outcome { CHAP_GOES_ON, CHAP_REFUSED };

struct chap {
    const struct chap_policy *policy;
    const struct chap_account *account;
    enum chap_state state;
    enum chap_algorithm algorithm;
    uint8_t identifier; /* ours, and our challenge */
    uint8_t challenge[CHAP_DIGEST_MAX_BYTES];
    size_t challenge_bytes;
    const char *reason; /* when it refused: continues "cannot log in: " */

    unsigned came; /* keys of this request, by enum chap_key */
    bool malformed;
    uint8_t their_identifier;
    uint8_t their_challenge[CHAP_CHALLENGE_MAX_BYTES];
    size_t their_challenge_bytes;
    char user[CHAP_NAME_SIZE];
    uint8_t response[CHAP_DIGEST_MAX_BYTES];
    size_t response_bytes;
};

/* AuthMethod=CHAP was agreed on. `policy` and `account` outlive it. */
void chap_begin(struct chap *chap, const struct chap_policy *policy, const struct chap_account *account);
/* One key of a request. */
void chap_take(struct chap *chap, enum chap_key key, const char *value);
/* The request is complete: appends the answer's keys. `state` is CHAP_PROVED when nothing is left to do. */
enum chap_outcome chap_answer(struct chap *chap, struct text *reply);

/* ---- chap_digest.c ---- */

/* H(identifier, secret, challenge) into `to`; gives its length, 0 when this system's library lacks it. */
size_t chap_digest(enum chap_algorithm algorithm, uint8_t identifier, const char *secret,
                   const uint8_t *challenge, size_t challenge_bytes, uint8_t to[CHAP_DIGEST_MAX_BYTES]);
size_t chap_digest_bytes(enum chap_algorithm algorithm);
/* The strongest one of a comma-separated list of numbers that `allowed` has a bit for. False if none. */
bool chap_choose(const char *list, unsigned allowed, enum chap_algorithm *algorithm);
/* "md5", "sha1", "sha256", "sha3-256". */
bool chap_algorithm_from_name(const char *name, enum chap_algorithm *algorithm);
