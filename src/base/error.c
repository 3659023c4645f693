#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *e, int code, const char *format, ...)
{
    va_list ap;

    CHECK(code < 0);
    if (!e)
        return code;
    e->code = code;
    va_start(ap, format);
    vsnprintf(e->text, sizeof(e->text), format, ap);
    va_end(ap);
    return code;
}

int error_set_errno(struct error *e, int code, const char *format, ...)
{
    va_list ap;

    CHECK(code < 0);
    if (!e)
        return code;
    e->code = code;
    va_start(ap, format);
    int length = vsnprintf(e->text, sizeof(e->text), format, ap);
    va_end(ap);
    if (length >= 0 && (size_t)length < sizeof(e->text))
        snprintf(e->text + length, sizeof(e->text) - (size_t)length, ": %s", strerror(-code));
    return code;
}
