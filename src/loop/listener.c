#include "loop/listener.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

enum {
    BACKLOG = 512,
    ACCEPT_MAX_AT_ONCE = 64, /* others on this loop have their turn, too */
    PAUSE_MS = 100,          /* when the process has no descriptor left */
    KEEPALIVE_IDLE_SECONDS = 30,
    KEEPALIVE_INTERVAL_SECONDS = 10,
    KEEPALIVE_PROBES = 3,
    URGENT_UNANSWERED_MS = 2000,
    UNANSWERED_MS = 60000,
};

struct listener {
    int fd;
    struct loop_watch *watch;
    struct loop_timer *pause;
    void (*accepted)(void *arg, int fd, const struct sockaddr_in *peer);
    void *arg;
};

static int bind_and_listen(int fd, const struct listener_options *options)
{
    struct sockaddr_in local = inet_sockaddr(options->address, options->port);
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return 0;
}

int listener_open(const struct listener_options *options, struct listener **listener)
{
    CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    int r = bind_and_listen(fd, options);
    if (r < 0)
        return r;
    *listener = xcalloc(1, sizeof(**listener));
    (*listener)->fd = TAKE_FD(fd);
    return 0;
}

/* A diskless machine that loses power says nothing. Keepalive notices when it is idle, the user timeout when
 * data to it stays unanswered; it also ends what keepalive finds dead, and comes first then (tcp(7)). */
void listener_watch_peer(int fd, bool urgently)
{
    static const struct {
        int option, value, urgent_value;
    } options[] = {
        {TCP_USER_TIMEOUT, UNANSWERED_MS, URGENT_UNANSWERED_MS},
        {TCP_KEEPCNT, KEEPALIVE_PROBES, KEEPALIVE_PROBES},
        {TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS, 1},
        {TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS, 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const int *value = urgently ? &options[i].urgent_value : &options[i].value;
        setsockopt(fd, IPPROTO_TCP, options[i].option, value, sizeof(*value));
    }
}

static void prepare(int fd)
{
    static const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    listener_watch_peer(fd, false);
}

static bool accept_one(struct listener *listener)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            loop_watch_set(listener->watch, 0);
            loop_timer_set(listener->pause, PAUSE_MS);
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    prepare(fd);
    listener->accepted(listener->arg, fd, &peer);
    return true;
}

static void on_readable(void *arg, int events)
{
    for (unsigned n = 0; n < ACCEPT_MAX_AT_ONCE && accept_one(arg); n++)
        ;
}

static void on_pause_over(void *arg)
{
    struct listener *listener = arg;

    loop_watch_set(listener->watch, LOOP_READ);
}

void listener_start(struct listener *listener, struct loop *loop,
                    void (*accepted)(void *arg, int fd, const struct sockaddr_in *peer), void *arg)
{
    listener->accepted = accepted;
    listener->arg = arg;
    listener->pause = loop_timer_new(loop, on_pause_over, listener);
    listener->watch = loop_watch_new(loop, listener->fd, on_readable, listener);
    loop_watch_set(listener->watch, LOOP_READ);
}

void listener_free(struct listener *listener)
{
    if (!listener)
        return;
    loop_watch_free(listener->watch);
    loop_timer_free(listener->pause);
    close(listener->fd);
    free(listener);
}

uint16_t listener_port(const struct listener *listener)
{
    struct sockaddr_in local;
    socklen_t length = sizeof(local);

    CHECK(getsockname(listener->fd, (struct sockaddr *)&local, &length) == 0);
    return inet_port_of_sockaddr(&local);
}
