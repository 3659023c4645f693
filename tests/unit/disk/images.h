/*
 * Disk images for the tests of this folder, made with the tools that everybody makes them with.
 *
 * Each test program works in one temporary folder, which is gone when it ends.
 */
#pragma once

#include "../test.h"

#include "disk/source.h"

/* Makes the folder and moves into it; cmocka group setup and teardown. */
int images_setup(void **state);
int images_teardown(void **state);

/* Runs a shell command in the folder and fails the test if it fails. */
PRINTF_LIKE(1, 2) void run(const char *format, ...);
/* The first line of what the command prints. The caller frees. */
PRINTF_LIKE(1, 2) char *output_of(const char *format, ...);

int open_image(const char *path);
struct disk_source image_source(int fd);
/* The whole file; the caller frees. */
char *read_whole(const char *path, size_t *length_bytes);
void write_whole(const char *path, const void *bytes, size_t length_bytes);

/* A source over memory that gives -EAGAIN to VOLUME_NO_WAIT until it was read once with VOLUME_MAY_WAIT. */
struct cold_memory {
    const uint8_t *data;
    bool is_warm;
};

struct disk_source cold_source(struct cold_memory *memory, size_t length_bytes);
