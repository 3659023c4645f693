/*
 * How an errno is told to a client: its name and the HTTP status.
 */
#pragma once

#include "api/call.h"

struct evbuffer;

/* For a negative errno; unlisted ones are EIO and 500. */
const char *answer_code_name(int code);
int answer_status(int code);

/* {"error": sentence, "code": name}; the caller unrefs. */
json_t *answer_error(const struct error *error);

/* A JSON string, or null for an empty or NULL one. */
json_t *json_text(const char *s);
/* A JSON string of an address, or null for 0. */
json_t *json_address(uint32_t address);
json_t *json_mac(const struct mac *mac);
