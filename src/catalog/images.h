/*
 * The statements about images. The writer thread's.
 */
#pragma once

#include "catalog/database.h"
#include "fleet/machine.h"

/* All of them by name; the caller frees each report and the array. */
int images_load(sqlite3 *db, struct image **images, size_t *count);
/* `id` is filled. Its volume is pending no more. */
int images_insert(sqlite3 *db, struct image *image);
/* -ENOENT when there is none of that id, -EBUSY while machines use it. */
int images_delete(sqlite3 *db, uint64_t id); /* its volume becomes pending */
