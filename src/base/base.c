#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "farboot: internal error: %s:%d: %s does not hold\n", file, line, condition);
    abort();
}

void *xcalloc(size_t count, size_t size_bytes)
{
    void *p = calloc(MAX(count, (size_t)1), MAX(size_bytes, (size_t)1));

    CHECK(p != NULL);
    return p;
}

void *xrealloc(void *p, size_t count, size_t size_bytes)
{
    void *moved = reallocarray(p, MAX(count, (size_t)1), MAX(size_bytes, (size_t)1));

    CHECK(moved != NULL);
    return moved;
}

char *xstrdup(const char *s)
{
    char *copy = strdup(s);

    CHECK(copy != NULL);
    return copy;
}

char *xasprintf(const char *format, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, format);
    int length = vasprintf(&s, format, ap);
    va_end(ap);
    CHECK(length >= 0);
    return s;
}

bool copy_string(char *to, size_t to_size, const char *from)
{
    CHECK(to_size > 0);
    size_t length = strlen(from);
    size_t kept = MIN(length, to_size - 1);

    memcpy(to, from, kept);
    to[kept] = '\0';
    return kept == length;
}

void random_bytes(void *to, size_t length_bytes)
{
    /* Up to 256 bytes come whole, once the kernel has gathered enough at its start. */
    for (size_t done = 0; done < length_bytes;) {
        size_t part = MIN(length_bytes - done, (size_t)256);
        CHECK(getrandom((uint8_t *)to + done, part, 0) == (ssize_t)part);
        done += part;
    }
}
