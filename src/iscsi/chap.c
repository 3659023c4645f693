#include "iscsi/chap.h"

#include "iscsi/text.h"

#include <openssl/crypto.h>

#define KEY(key) (1u << (CHAP_KEY_##key))

static enum chap_outcome refuse(struct chap *chap, const char *reason)
{
    chap->reason = reason;
    return CHAP_REFUSED;
}

void chap_begin(struct chap *chap, const struct chap_policy *policy, const struct chap_account *account)
{
    *chap = (struct chap){.policy = policy, .account = account, .state = CHAP_AGREED};
}

/* ---- what a request says ---- */

static bool take_algorithms(struct chap *chap, const char *value)
{
    chap->algorithm = 0;
    chap_choose(value, chap->policy->algorithms, &chap->algorithm);
    return true;
}

static bool take_identifier(struct chap *chap, const char *value)
{
    uint64_t number;

    if (!iscsi_text_number(value, UINT8_MAX, &number))
        return false;
    chap->their_identifier = (uint8_t)number;
    return true;
}

static bool take_challenge(struct chap *chap, const char *value)
{
    return iscsi_text_bytes(value, chap->their_challenge, sizeof(chap->their_challenge),
                            &chap->their_challenge_bytes);
}

/* A name too long for us is nobody's; that is not for its sender to know apart. */
static bool take_name(struct chap *chap, const char *value)
{
    if (!COPY_STRING(chap->user, value))
        chap->user[0] = '\0';
    return true;
}

static bool take_response(struct chap *chap, const char *value)
{
    return iscsi_text_bytes(value, chap->response, sizeof(chap->response), &chap->response_bytes);
}

static bool (*const take_key[])(struct chap *, const char *) = {
    [CHAP_KEY_A] = take_algorithms, [CHAP_KEY_I] = take_identifier, [CHAP_KEY_C] = take_challenge,
    [CHAP_KEY_N] = take_name,       [CHAP_KEY_R] = take_response,
};

void chap_take(struct chap *chap, enum chap_key key, const char *value)
{
    chap->came |= 1u << key;
    if (!take_key[key](chap, value))
        chap->malformed = true;
}

/* ---- what it is told ---- */

static enum chap_outcome say_nothing(struct chap *chap, struct text *reply)
{
    return CHAP_GOES_ON;
}

static enum chap_outcome challenge(struct chap *chap, struct text *reply)
{
    if (!chap->algorithm)
        return refuse(chap,
                      "it offers none of the CHAP algorithms that are allowed (iscsi: chap_algorithms)");
    chap->challenge_bytes = chap_digest_bytes(chap->algorithm);
    chap->policy->random(&chap->identifier, sizeof(chap->identifier));
    chap->policy->random(chap->challenge, chap->challenge_bytes);
    iscsi_text_put_number(reply, "CHAP_A", (uint64_t)chap->algorithm);
    iscsi_text_put_number(reply, "CHAP_I", chap->identifier);
    iscsi_text_put_bytes(reply, "CHAP_C", chap->challenge, chap->challenge_bytes);
    return CHAP_GOES_ON;
}

static bool response_is_right(const struct chap *chap)
{
    uint8_t right[CHAP_DIGEST_MAX_BYTES];
    size_t length = chap_digest(chap->algorithm, chap->identifier, chap->account->secret, chap->challenge,
                                chap->challenge_bytes, right);
    bool same_user = string_equal(chap->user, chap->account->user);

    return length && length == chap->response_bytes && CRYPTO_memcmp(right, chap->response, length) == 0 &&
           same_user;
}

/* Whoever sends our own challenge back wants us to compute the answer for him (RFC 7143 9.2.1). */
static bool is_reflected(const struct chap *chap)
{
    return chap->their_challenge_bytes == chap->challenge_bytes &&
           memcmp(chap->their_challenge, chap->challenge, chap->challenge_bytes) == 0;
}

static enum chap_outcome prove_ourselves(struct chap *chap, struct text *reply)
{
    uint8_t response[CHAP_DIGEST_MAX_BYTES];

    if (!chap->account->target_user[0])
        return refuse(chap,
                      "it wants farboot to authenticate itself, which CHAP of this machine is not set to");
    if (!(chap->came & KEY(I)) || !(chap->came & KEY(C)))
        return refuse(chap, "its CHAP challenge is not whole");
    if (is_reflected(chap))
        return refuse(chap,
                      "it sent farboot's own CHAP challenge back: somebody tries to reflect the response");
    size_t length = chap_digest(chap->algorithm, chap->their_identifier, chap->account->target_secret,
                                chap->their_challenge, chap->their_challenge_bytes, response);
    iscsi_text_put(reply, "CHAP_N", chap->account->target_user);
    iscsi_text_put_bytes(reply, "CHAP_R", response, length);
    return CHAP_GOES_ON;
}

static enum chap_outcome verify(struct chap *chap, struct text *reply)
{
    if (!response_is_right(chap))
        return refuse(chap, "its CHAP name or secret is wrong");
    return chap->came & (KEY(I) | KEY(C)) ? prove_ourselves(chap, reply) : CHAP_GOES_ON;
}

/* The conversation: what must come, what may, what is said to it. */
static const struct step {
    unsigned needed;
    unsigned allowed;
    enum chap_outcome (*answer)(struct chap *chap, struct text *reply);
    enum chap_state next;
} steps[] = {
    [CHAP_AGREED] = {0, 0, say_nothing, CHAP_WANTS_ALGORITHM},
    [CHAP_WANTS_ALGORITHM] = {KEY(A), KEY(A), challenge, CHAP_WANTS_RESPONSE},
    [CHAP_WANTS_RESPONSE] = {KEY(N) | KEY(R), KEY(N) | KEY(R) | KEY(I) | KEY(C), verify, CHAP_PROVED},
    [CHAP_PROVED] = {0, 0, say_nothing, CHAP_PROVED},
};

enum chap_outcome chap_answer(struct chap *chap, struct text *reply)
{
    const struct step *step = &steps[chap->state];

    CHECK(chap->state != CHAP_UNUSED);
    if (chap->malformed)
        return refuse(chap, "a CHAP value cannot be decoded or is too long");
    if ((chap->came & step->needed) != step->needed || chap->came & ~step->allowed)
        return refuse(chap, "its CHAP keys do not come in the order of RFC 7143");
    enum chap_outcome outcome = step->answer(chap, reply);
    chap->came = 0;
    if (outcome == CHAP_GOES_ON)
        chap->state = step->next;
    return outcome;
}
