/*
 * Takes images: a client sends one message and an open file over `import.sock`, and a thread reads the file.
 *
 * The daemon cannot open a user's file itself, and a disk image is no HTTP body. The message is a JSON object with
 * "file" (what the file is called; "-" for a stream) and, unless it follows from that, "name"; the answer is
 * {"job": N} or an error as the API gives it. The connection stays open while the import runs: closing it cancels.
 */
#pragma once

#include "api/call.h"

struct imports;

enum {
    IMPORT_CLIENTS_MAX = 16,  /* connections, those that did not say anything yet included */
    IMPORTS_RUNNING_MAX = 4,
    IMPORT_MESSAGE_MAX_BYTES = 4096,
    IMPORT_MESSAGE_SECONDS = 10, /* for the message to arrive */
};

/* On the control loop, as imports_stop. Takes the import socket of `api->sockets`. */
struct imports *imports_start(struct api *api);
/* Takes no more, cancels those that run. */
void imports_stop(struct imports *imports);
/* Waits until all have ended. NULL is fine. */
void imports_free(struct imports *imports);

/* "raspios-lite.img.xz" becomes "raspios-lite"; what a name cannot have becomes '-'. False if no valid name is left. */
bool import_name_of_file(const char *file, char name[NAME_SIZE]);
