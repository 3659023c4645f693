#include "api/sockets.h"

#include "base/text.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { SOCKET_MODE = 0660, FOLDER_MODE = 0755 };

char *import_socket_path(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? xasprintf("%.*s/import.sock", (int)(slash - path), path) : xstrdup("import.sock");
}

static int make_folder(const char *path, uid_t uid, gid_t gid, struct error *error)
{
    CLEANUP_FREE char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');

    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    if (mkdir(folder, FOLDER_MODE) < 0)
        return errno == EEXIST ? 0 : error_set_errno(error, -errno, "cannot create the folder %s", folder);
    /* Whoever we become must be able to remove the sockets at the end. */
    if (chown(folder, uid, gid) < 0)
        return error_set_errno(error, -errno, "cannot give the folder %s away", folder);
    return 0;
}

/* Only a connection tells a socket that is served from one that a dead daemon left. */
static int remove_stale(const struct sockaddr_un *address, int type, struct error *error)
{
    CLEANUP_FD int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return error_set_errno(error, -errno, "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return error_set(error, -EADDRINUSE,
                         "another farboot already answers at %s: stop it first, or set another socket in the "
                         "configuration",
                         address->sun_path);
    if (errno == ECONNREFUSED && unlink(address->sun_path) < 0)
        return error_set_errno(error, -errno, "cannot remove the old socket %s", address->sun_path);
    return 0;
}

static int bind_listening(int fd, const struct sockaddr_un *address, uid_t uid, gid_t gid)
{
    const char *path = address->sun_path;

    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 || chown(path, uid, gid) < 0 ||
        chmod(path, SOCKET_MODE) < 0 || listen(fd, API_BACKLOG) < 0)
        return -errno;
    return 0;
}

static int listen_at(const char *path, int type, uid_t uid, gid_t gid, int *fd, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP_FD int made = -1;

    if (!COPY_STRING(address.sun_path, path))
        return error_set(error, -ENAMETOOLONG, "%s: too long for a socket, at most %zu bytes", path,
                         sizeof(address.sun_path) - 1);
    int result = remove_stale(&address, type, error);
    if (result < 0)
        return result;
    made = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return error_set_errno(error, -errno, "cannot make a socket");
    /* Nobody may connect between bind and chmod. */
    mode_t old_mask = umask(0777);
    result = bind_listening(made, &address, uid, gid);
    umask(old_mask);
    if (result < 0)
        return error_set_errno(error, result, "cannot listen at %s", path);
    *fd = TAKE_FD(made);
    return 0;
}

int api_open(const char *path, uid_t uid, gid_t gid, struct api_sockets **sockets, struct error *error)
{
    struct api_sockets *opened = xcalloc(1, sizeof(*opened));

    *opened = (struct api_sockets){.http_fd = -1, .import_fd = -1};
    char *import_path = import_socket_path(path);
    int result = make_folder(path, uid, gid, error);
    if (result == 0)
        result = listen_at(path, SOCK_STREAM, uid, gid, &opened->http_fd, error);
    if (result == 0) {
        opened->http_path = xstrdup(path);
        result = listen_at(import_path, SOCK_SEQPACKET, uid, gid, &opened->import_fd, error);
    }
    if (result == 0)
        opened->import_path = TAKE_PTR(import_path);
    free(import_path);
    if (result < 0) {
        api_sockets_free(opened);
        return result;
    }
    *sockets = opened;
    return 0;
}

static void close_socket(int fd, char *path)
{
    if (fd >= 0)
        close(fd);
    /* It may be another user's folder by now; a socket that stays is stale, which the next start sees. */
    if (path)
        unlink(path);
    free(path);
}

void api_sockets_free(struct api_sockets *sockets)
{
    if (!sockets)
        return;
    close_socket(sockets->http_fd, sockets->http_path);
    close_socket(sockets->import_fd, sockets->import_path);
    free(sockets);
}
