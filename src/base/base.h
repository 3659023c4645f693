/*
 * The words every other folder uses: scope cleanup, taking ownership, sizes, checks.
 *
 * Holds no state and knows nothing about disks, networks or machines.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                                            \
    ({                                                                                                       \
        __typeof__(a) min_a = (a);                                                                           \
        __typeof__(b) min_b = (b);                                                                           \
        min_a < min_b ? min_a : min_b;                                                                       \
    })
#define MAX(a, b)                                                                                            \
    ({                                                                                                       \
        __typeof__(a) max_a = (a);                                                                           \
        __typeof__(b) max_b = (b);                                                                           \
        max_a > max_b ? max_a : max_b;                                                                       \
    })

/* The struct of `type` that holds `member`, given a pointer to the member. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

/* Runs `fn(&variable)` when the variable's scope ends, whichever way it ends. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands over what the variable owns: gives its value and leaves NULL, so that its cleanup does nothing. */
#define TAKE_PTR(variable)                                                                                   \
    ({                                                                                                       \
        __typeof__(variable) taken = (variable);                                                             \
        (variable) = NULL;                                                                                   \
        taken;                                                                                               \
    })

/* The same for a file descriptor, leaving -1. */
#define TAKE_FD(variable)                                                                                    \
    ({                                                                                                       \
        int taken_fd = (variable);                                                                           \
        (variable) = -1;                                                                                     \
        taken_fd;                                                                                            \
    })

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_FD CLEANUP(cleanup_fd)

/* Defines `cleanup_NAME` for variables of the pointer type `type`: it calls `fn`, which accepts NULL. */
#define DEFINE_CLEANUP(name, type, fn)                                                                       \
    static inline void cleanup_##name(type *p)                                                              \
    {                                                                                                        \
        fn(*p);                                                                                              \
    }

#define PRINTF_LIKE(string, first) __attribute__((format(printf, string, first)))

/*
 * States what this code believes. A false belief is a programmer's mistake and stops the program, in release builds
 * too: a boot server that goes on with broken state writes that state to somebody's disk. Never used for what a peer
 * sent.
 */
#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0))                                                               \
            check_failed(#condition, __FILE__, __LINE__);                                                    \
    } while (0)

__attribute__((noreturn, cold)) void check_failed(const char *condition, const char *file, int line);

/* Memory for the program's own bookkeeping. Running out of it is not recoverable here and stops the program; sizes a
 * peer chose must have been bounded before. Zeroed. The caller frees. */
__attribute__((malloc, returns_nonnull)) void *xcalloc(size_t count, size_t size_bytes);
__attribute__((returns_nonnull)) void *xrealloc(void *p, size_t count, size_t size_bytes);
__attribute__((malloc, returns_nonnull)) char *xstrdup(const char *s);
__attribute__((malloc, returns_nonnull, format(printf, 1, 2))) char *xasprintf(const char *format, ...);

/* Bytes that nobody can guess, from the kernel. */
void random_bytes(void *to, size_t length_bytes);

/* Copies a string into a fixed array and always ends it with NUL. False if it did not fit (the copy is cut). */
bool copy_string(char *to, size_t to_size, const char *from);
#define COPY_STRING(array, from) copy_string((array), sizeof(array), (from))
