/*
 * A login from any bytes: a sequence of requests, each one byte of flags, two of length, and that much text.
 */
#include "iscsi/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum login_outcome go_on(struct login *login, enum login_outcome outcome)
{
    if (outcome == LOGIN_IDENTIFY)
        outcome = login_identified(login, LOGIN_SUCCESS, "pi-01", NULL);
    if (outcome == LOGIN_FINISH)
        outcome = login_finished(login, LOGIN_SUCCESS, 1);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    enum login_outcome outcome = LOGIN_ANSWER;
    struct login login;

    login_init(&login, 1, NULL);
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
