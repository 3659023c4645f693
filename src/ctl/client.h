/*
 * Asking the daemon: one request, one answer, over its unix socket.
 *
 * What goes wrong is said on standard error, once, here; the caller only passes the exit status on.
 */
#pragma once

#include "base/base.h"
#include "ctl/ctl.h"

#include <jansson.h>

enum { CLIENT_ANSWER_MAX_BYTES = 64 << 20, CLIENT_PATH_SIZE = 256 };

/* Asks and gives CTL_EXIT_OK with `reply` filled (the caller unrefs), or another exit status. `body` may be NULL. */
int client_ask(const char *socket, const char *method, const char *path, const json_t *body, json_t **reply);

/* Sends the open file `fd` with `message`, which says what to do with it (api/imports.h). CTL_EXIT_OK fills
 * `connection`, which must stay open as long as it shall go on, and `reply`. */
int client_send_file(const char *socket, int fd, const json_t *message, int *connection, json_t **reply);

/* "/v1/images/NAME", where a version may be named, too: "ubuntu:2". */
bool client_image_path(char path[CLIENT_PATH_SIZE], const char *name);
/* "/v1/machines/NAME" for a name as typed. False, with a complaint, if it is none. */
bool client_path(char path[CLIENT_PATH_SIZE], const char *noun, const char *name);
