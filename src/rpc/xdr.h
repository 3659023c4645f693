/*
 * External Data Representation (RFC 4506) on the cursors of base/bytes: what they do not already say.
 *
 * Nothing is allocated and nothing is copied; lengths that a peer chose are checked against the caller's
 * maximum.
 */
#pragma once

#include "base/bytes.h"

/* A variable-length opaque or string of at most `max_bytes`, with its padding: points into the reader's
 * memory. NULL and the sticky error if it is longer or runs over. An empty one is not NULL. */
const uint8_t *xdr_opaque(struct reader *r, size_t max_bytes, size_t *length_bytes);
/* A fixed-length opaque with its padding. */
const uint8_t *xdr_fixed(struct reader *r, size_t length_bytes);
/* Anything but 0 and 1 is an error. */
bool xdr_bool(struct reader *r);
/* The number of elements that follow; more than `max` is an error. */
uint32_t xdr_count(struct reader *r, uint32_t max);

void xdr_put_opaque(struct writer *w, const void *bytes, size_t length_bytes);
void xdr_put_fixed(struct writer *w, const void *bytes, size_t length_bytes);
void xdr_put_string(struct writer *w, const char *s);
void xdr_put_bool(struct writer *w, bool value);

/* A length or count known only later: its place is left free, and filled by `xdr_patch`. */
size_t xdr_put_later(struct writer *w);
void xdr_patch(struct writer *w, size_t place, uint32_t value);
/* Takes back all that was written since `offset`, and the sticky error with it. */
void xdr_rewind(struct writer *w, size_t offset);
