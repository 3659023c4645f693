#include "ctl/client.h"

#include "base/text.h"
#include "ctl/response.h"
#include "ctl/terminal.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { IMPORT_ANSWER_MAX_BYTES = 4096, READ_STEP_BYTES = 65536 };

/* ---- the connection ---- */

static int explain_no_connection(const char *path, int code)
{
    if (code == -EACCES || code == -EPERM) {
        fprintf(stderr,
                "farboot: no permission to use %s: run this as root or as a member of the group farboot "
                "(adduser YOU farboot, then log in again)\n",
                path);
        return CTL_EXIT_FAILED;
    }
    if (code == -ENOENT || code == -ECONNREFUSED || code == -ENOTDIR)
        fprintf(stderr, "farboot: no daemon answers at %s (start it: systemctl start farboot, or farboot serve)\n",
                path);
    else
        fprintf(stderr, "farboot: no daemon answers at %s: %s\n", path, strerror(-code));
    return CTL_EXIT_NO_DAEMON;
}

static int connect_to(const char *path, int type, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP_FD int made = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (made < 0)
        return -errno;
    if (!COPY_STRING(address.sun_path, path))
        return -ENAMETOOLONG;
    if (connect(made, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    *fd = TAKE_FD(made);
    return 0;
}

static int send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -errno;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

/* Reads until the daemon closes. */
static int receive_all(int fd, char **bytes, size_t *length)
{
    size_t capacity = 0;

    *bytes = NULL;
    *length = 0;
    for (;;) {
        if (*length + READ_STEP_BYTES > capacity) {
            capacity = MAX(capacity * 2, (size_t)READ_STEP_BYTES * 2);
            if (capacity > CLIENT_ANSWER_MAX_BYTES)
                return -EFBIG;
            *bytes = xrealloc(*bytes, capacity, 1);
        }
        ssize_t got = recv(fd, *bytes + *length, READ_STEP_BYTES, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        *length += (size_t)got;
    }
}

/* ---- request and answer ---- */

static char *request_text(const char *method, const char *path, const json_t *body)
{
    CLEANUP_FREE char *content = body ? json_dumps(body, JSON_COMPACT) : NULL;

    return xasprintf("%s %s HTTP/1.1\r\nHost: farboot\r\nConnection: close\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     method, path, content ? strlen(content) : 0, content ? content : "");
}

static int exchange(const char *socket, const char *request, char **answer, size_t *length)
{
    CLEANUP_FD int fd = -1;
    int result = connect_to(socket, SOCK_STREAM, &fd);

    *answer = NULL;
    if (result < 0)
        return explain_no_connection(socket, result);
    result = send_all(fd, request, strlen(request));
    if (result == 0)
        result = receive_all(fd, answer, length);
    if (result == 0 && *length > 0)
        return CTL_EXIT_OK;
    fprintf(stderr, "farboot: the daemon at %s went away before it answered%s%s\n", socket, result ? ": " : "",
            result ? strerror(-result) : "");
    return CTL_EXIT_NO_DAEMON;
}

static void print_error(const json_t *answer)
{
    const char *sentence = json_string_value(json_object_get(answer, "error"));

    fputs("farboot: ", stderr);
    print_safe(stderr, sentence ? sentence : "the daemon failed and does not say why");
    fputc('\n', stderr);
}

int client_ask(const char *socket, const char *method, const char *path, const json_t *body, json_t **reply)
{
    CLEANUP_FREE char *request = request_text(method, path, body);
    CLEANUP_FREE char *answer = NULL;
    struct response response;
    size_t length = 0;

    *reply = NULL;
    int status = exchange(socket, request, &answer, &length);
    if (status != CTL_EXIT_OK)
        return status;
    json_t *value = response_decode(answer, length, &response)
                        ? json_loadb(response.body, response.body_bytes, JSON_DECODE_ANY, NULL)
                        : NULL;
    if (!value) {
        fprintf(stderr, "farboot: what answers at %s is not farboot's daemon, or of another version\n", socket);
        return CTL_EXIT_FAILED;
    }
    if (response.status < 200 || response.status > 299) {
        print_error(value);
        json_decref(value);
        return CTL_EXIT_FAILED;
    }
    *reply = value;
    return CTL_EXIT_OK;
}

bool client_path(char path[CLIENT_PATH_SIZE], const char *noun, const char *name)
{
    if (!is_valid_name(name)) {
        fputs("farboot: ", stderr);
        print_safe(stderr, name);
        fprintf(stderr, ": not a name: letters, digits, '-', '_' and '.', beginning with a letter or digit\n");
        return false;
    }
    snprintf(path, CLIENT_PATH_SIZE, "/v1/%s/%s", noun, name);
    return true;
}

bool client_image_path(char path[CLIENT_PATH_SIZE], const char *name)
{
    const char *colon = strchr(name, ':');
    CLEANUP_FREE char *alone = xstrdup(name);
    uint64_t version = 1;

    if (colon)
        alone[colon - name] = '\0';
    if (colon && (!parse_u64(colon + 1, UINT32_MAX, &version) || version == 0)) {
        fputs("farboot: ", stderr);
        print_safe(stderr, name);
        fprintf(stderr, ": not a version of an image, which looks like ubuntu:2\n");
        return false;
    }
    if (!client_path(path, "images", alone))
        return false;
    snprintf(path, CLIENT_PATH_SIZE, "/v1/images/%s", name);
    return true;
}

/* ---- files that are sent along ---- */

static int send_with_fd(int socket_fd, const char *bytes, size_t length, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vec = {.iov_base = (char *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static char *import_socket(const char *socket)
{
    const char *slash = strrchr(socket, '/');

    return slash ? xasprintf("%.*s/import.sock", (int)(slash - socket), socket) : xstrdup("import.sock");
}

static int ask_with_file(int fd, int file_fd, const json_t *message, json_t **answer)
{
    CLEANUP_FREE char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    char bytes[IMPORT_ANSWER_MAX_BYTES];

    if (!text)
        return -EILSEQ;
    int result = send_with_fd(fd, text, strlen(text), file_fd);
    if (result < 0)
        return result;
    ssize_t length = recv(fd, bytes, sizeof(bytes), 0);
    if (length <= 0)
        return length < 0 ? -errno : -ECONNRESET;
    *answer = json_loadb(bytes, (size_t)length, 0, NULL);
    return *answer ? 0 : -EPROTO;
}

int client_send_file(const char *socket, int fd, const json_t *message, int *connection, json_t **reply)
{
    CLEANUP_FREE char *path = import_socket(socket);
    CLEANUP_FD int made = -1;
    int result = connect_to(path, SOCK_SEQPACKET, &made);

    *reply = NULL;
    if (result < 0)
        return explain_no_connection(socket, result);
    result = ask_with_file(made, fd, message, reply);
    if (result < 0) {
        fprintf(stderr, "farboot: the daemon at %s did not take the file: %s\n", path, strerror(-result));
        return CTL_EXIT_FAILED;
    }
    if (json_object_get(*reply, "error")) {
        print_error(*reply);
        json_decref(TAKE_PTR(*reply));
        return CTL_EXIT_FAILED;
    }
    *connection = TAKE_FD(made);
    return CTL_EXIT_OK;
}
