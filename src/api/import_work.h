/*
 * One import from first byte to finished image: what an import's thread does.
 */
#pragma once

#include "api/jobs.h"
#include "catalog/catalog.h"
#include "store/store.h"

struct import_work {
    struct catalog *catalog;
    struct store *store;
    struct job *job; /* progress goes out, `cancelled` comes in; its name is the image's */
    int fd;          /* what is read; the caller closes */
    const char *file; /* what it is called, for sentences */
    const char *temporary_folder; /* for formats that are unpacked before they are read */
    bool new_version; /* of an image that may exist; else the first */
    char comment[COMMENT_SIZE];
};

/* Fills size, time and report of an image from its volume. Blocks. */
int image_describe(struct store *store, struct image *image, struct error *error);

/* Blocks as long as it takes. When it gives 0 the image is in store and catalog, and `result` is what a client is
 * told of it; otherwise nothing is left behind, and -ECANCELED means that the job was cancelled. */
int import_run(const struct import_work *work, json_t **result, struct error *error);
