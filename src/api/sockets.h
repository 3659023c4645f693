/*
 * The two unix sockets, open and listening.
 */
#pragma once

#include "api/api.h"

struct api_sockets {
    int http_fd;
    int import_fd;
    char *http_path;
    char *import_path;
};

enum { API_BACKLOG = 64 };

/* Where images are taken for the server that listens at `path`: `import.sock` beside it. The caller frees. */
char *import_socket_path(const char *path);
