/*
 * Authentication from any bytes: login requests of a machine that has CHAP on, each one byte of flags, two of
 * length, and that much text. Random bytes are none, so that a seed can hold the right response.
 */
#include "iscsi/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_random(void *to, size_t length_bytes)
{
    memset(to, 0, length_bytes);
}

static const struct chap_policy policy = {.algorithms = CHAP_ALGORITHMS_ALL, .random = no_random};

static const struct chap_account account = {.user = "dc-a6-32-01-02-03",
                                            .secret = "correct-secret-1",
                                            .target_user = "farboot",
                                            .target_secret = "another-secret-2"};

static enum login_outcome go_on(struct login *login, enum login_outcome outcome)
{
    if (outcome == LOGIN_IDENTIFY)
        outcome = login_identified(login, LOGIN_SUCCESS, "pi-01", &account);
    if (outcome == LOGIN_FINISH) {
        CHECK(login->chap.state == CHAP_PROVED);
        outcome = login_finished(login, LOGIN_SUCCESS, 1);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    enum login_outcome outcome = LOGIN_ANSWER;
    struct login login;

    login_init(&login, 1, &policy);
    while (outcome == LOGIN_ANSWER && reader_left(&r) > 0) {
        struct pdu pdu = {.opcode = PDU_LOGIN_REQUEST, .flags = reader_u8(&r)};
        pdu.data_bytes = (uint32_t)MIN((size_t)reader_be16(&r), reader_left(&r));
        const uint8_t *text = reader_bytes(&r, pdu.data_bytes);
        if (!text)
            break;
        outcome = go_on(&login, login_request(&login, &pdu, text));
        CHECK(login.reply.data_bytes <= 8192);
    }
    login_free(&login);
    return 0;
}
