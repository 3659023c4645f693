/*
 * Takes images in and gives disks out: a client sends one message and an open file over `import.sock`, and a thread
 * reads the file or writes it.
 *
 * The daemon cannot open a user's file itself, and a disk image is no HTTP body. The message is a JSON object with
 * "file" (what the file is called; "-" for a stream). With "export" (what: "pi-01", "pi-01@snapshot", "ubuntu:2") and
 * "format" ("raw", "gz", "xz", "zst"; else as the file's name ends) the file is written; otherwise it is imported, as
 * "name" unless that follows from the file, with "new_version" true as one more version of an image that exists, and
 * with "comment". With "eeprom" (a list of machines and groups) it is a bootloader image for them. The answer is {"job": N, "name": ...} or an error as the API gives it. The connection stays open
 * while it runs: closing it cancels.
 */
#pragma once

#include "api/call.h"

struct imports;

enum {
    IMPORT_CLIENTS_MAX = 16,  /* connections, those that did not say anything yet included */
    IMPORTS_RUNNING_MAX = 4,  /* exports included */
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
