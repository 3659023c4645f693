#include "api/answer.h"

static const struct {
    int code;
    const char *name;
    int status;
} answers[] = {
    {-EINVAL, "EINVAL", 400},  {-EPERM, "EPERM", 403},      {-EACCES, "EACCES", 403},   {-ENOENT, "ENOENT", 404},
    {-EOPNOTSUPP, "EOPNOTSUPP", 405}, {-EEXIST, "EEXIST", 409}, {-EMLINK, "EMLINK", 409}, {-EBUSY, "EBUSY", 409}, {-EFBIG, "EFBIG", 413},
    {-ECANCELED, "ECANCELED", 409},   {-ERANGE, "ERANGE", 400}, {-EAGAIN, "EAGAIN", 503}, {-ESHUTDOWN, "ESHUTDOWN", 503},
    {-EBADMSG, "EBADMSG", 422}, {-EMEDIUMTYPE, "EMEDIUMTYPE", 422},
    {-ENOSPC, "ENOSPC", 507},  {-EDQUOT, "EDQUOT", 507},    {-EIO, "EIO", 500},
};

static size_t find_answer(int code)
{
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        if (answers[i].code == code)
            return i;
    }
    return ARRAY_SIZE(answers) - 1;
}

const char *answer_code_name(int code)
{
    return answers[find_answer(code)].name;
}

int answer_status(int code)
{
    return answers[find_answer(code)].status;
}

json_t *answer_error(const struct error *error)
{
    json_t *sentence = json_string(error->text);

    /* A sentence may quote what a disk held, which need not be UTF-8. */
    if (!sentence)
        sentence = json_string("the reason cannot be shown");
    return json_pack("{s:o, s:s}", "error", sentence, "code", answer_code_name(error->code));
}

json_t *json_text(const char *s)
{
    json_t *text = s && *s ? json_string(s) : NULL;

    return text ? text : json_null();
}

json_t *json_address(uint32_t address)
{
    char text[INET_TEXT_SIZE];

    return address ? json_string(inet_format(text, address)) : json_null();
}

json_t *json_mac(const struct mac *mac)
{
    char text[MAC_TEXT_SIZE];

    return json_string(mac_format(text, mac, ':'));
}
