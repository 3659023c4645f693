/*
 * iscsi-load: keeps an iSCSI target busy from one thread and says how fast it was, as one line of JSON.
 */
#include "initiator.h"

#include "base/clock.h"
#include "base/inet.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

enum { SESSIONS_MAX = 64, EVENTS = 64 };

static const char usage[] =
    "usage: iscsi-load --address A --port N --target IQN --initiator IQN [options]\n"
    "  a # in the names stands for the session's number, two hexadecimal digits, from 1 on\n"
    "  --lun N --sessions N --depth N --block BYTES --write --sequential --start BYTES --span BYTES\n"
    "  --warm-up MS --time MS --digests      how long, and with CRC32C digests\n"
    "  --beside BYTES --beside-depth N       sequential reads that each session keeps going as well\n"
    "  --pattern SEED --count N              writes (or compares) what only that place and seed give; stops after N\n";

struct load {
    struct initiator_options options;
    unsigned sessions;
    uint64_t warm_up_ms, time_ms;
    struct initiator *initiators[SESSIONS_MAX];
    bool wants_to_write[SESSIONS_MAX];
    int epoll;
};

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("iscsi-load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* ---- what is asked ---- */

static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    uint64_t value = strtoull(text, &end, 0);

    if (*end || end == text || value > most)
        die("%s is not a number up to %llu", text, (unsigned long long)most);
    return value;
}

static void read_option(struct load *load, char option, const char *value)
{
    struct initiator_options *o = &load->options;

    switch (option) {
    case 'a':
        if (!inet_parse(value, &o->address))
            die("%s is not an IPv4 address", value);
        break;
    case 'p': o->port = (uint16_t)number(value, 65535); break;
    case 't': COPY_STRING(o->target, value); break;
    case 'i': COPY_STRING(o->name, value); break;
    case 'l': o->lun = (uint8_t)number(value, 255); break;
    case 's': load->sessions = (unsigned)number(value, SESSIONS_MAX); break;
    case 'd': o->job.depth = (unsigned)number(value, INITIATOR_DEPTH_MAX); break;
    case 'b': o->job.block_bytes = (uint32_t)number(value, INITIATOR_BLOCK_MAX_BYTES); break;
    case 'w': o->job.writes = true; break;
    case 'q': o->job.sequential = true; break;
    case 'S': o->start_bytes = number(value, UINT64_MAX); break;
    case 'n': o->span_bytes = number(value, UINT64_MAX); break;
    case 'u': load->warm_up_ms = number(value, 60000); break;
    case 'm': load->time_ms = number(value, 600000); break;
    case 'g': o->digests = true; break;
    case 'B': o->beside.block_bytes = (uint32_t)number(value, INITIATOR_BLOCK_MAX_BYTES); break;
    case 'D': o->beside.depth = (unsigned)number(value, INITIATOR_DEPTH_MAX); break;
    case 'P': o->patterned = true, o->seed = number(value, UINT64_MAX); break;
    case 'c': o->ops_max = number(value, UINT64_MAX); break;
    default: fputs(usage, stderr), exit(2);
    }
}

static void read_options(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"address", 1, 0, 'a'},      {"port", 1, 0, 'p'},       {"target", 1, 0, 't'},  {"initiator", 1, 0, 'i'},
        {"lun", 1, 0, 'l'},          {"sessions", 1, 0, 's'},   {"depth", 1, 0, 'd'},   {"block", 1, 0, 'b'},
        {"write", 0, 0, 'w'},        {"sequential", 0, 0, 'q'}, {"start", 1, 0, 'S'},   {"span", 1, 0, 'n'},
        {"warm-up", 1, 0, 'u'},      {"time", 1, 0, 'm'},       {"digests", 0, 0, 'g'}, {"beside", 1, 0, 'B'},
        {"beside-depth", 1, 0, 'D'}, {"pattern", 1, 0, 'P'},    {"count", 1, 0, 'c'},   {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        read_option(load, (char)option, optarg);
    if (!load->options.address || !load->options.target[0] || optind < argc || load->sessions < 1)
        fputs(usage, stderr), exit(2);
    if (load->options.job.block_bytes % 512 || load->options.beside.block_bytes % 512)
        die("blocks are multiples of 512 bytes");
    if (load->options.span_bytes < MAX(load->options.job.block_bytes, load->options.beside.block_bytes))
        die("the span is smaller than a block");
    load->options.beside.sequential = true;
}

/* ---- running ---- */

static void put_number(char *name, unsigned n)
{
    static const char digits[] = "0123456789abcdef";
    char *at = strchr(name, '#');

    if (!at)
        return;
    memmove(at + 2, at + 1, strlen(at + 1) + 1);
    at[0] = digits[n >> 4 & 15];
    at[1] = digits[n & 15];
}

static void open_session(struct load *load, unsigned n)
{
    struct initiator_options options = load->options;

    options.number = (uint16_t)(n + 1);
    put_number(options.name, n + 1);
    put_number(options.target, n + 1);
    load->initiators[n] = initiator_new(&options);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = n};
    CHECK(epoll_ctl(load->epoll, EPOLL_CTL_ADD, initiator_fd(load->initiators[n]), &event) == 0);
}

static void go_on(struct load *load, unsigned n, bool stopping)
{
    bool wants = initiator_go_on(load->initiators[n], stopping);

    if (wants == load->wants_to_write[n])
        return;
    struct epoll_event event = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.u32 = n};
    CHECK(epoll_ctl(load->epoll, EPOLL_CTL_MOD, initiator_fd(load->initiators[n]), &event) == 0);
    load->wants_to_write[n] = wants;
}

static bool all_idle(const struct load *load)
{
    for (unsigned n = 0; n < load->sessions; n++)
        if (!initiator_is_idle(load->initiators[n]))
            return false;
    return true;
}

/* Until `deadline_ns`, or with `draining` until nothing is on its way any more. */
static void run_until(struct load *load, uint64_t deadline_ns, bool draining)
{
    struct epoll_event events[EVENTS];

    for (unsigned n = 0; n < load->sessions && !draining; n++)
        go_on(load, n, false);
    while (draining ? !all_idle(load) : clock_monotonic_ns() < deadline_ns) {
        if (load->options.ops_max && all_idle(load))
            break;
        int count = epoll_wait(load->epoll, events, EVENTS, 1000);
        for (int e = 0; e < count; e++)
            go_on(load, events[e].data.u32, draining);
    }
}

/* ---- what is said ---- */

static void sum_up(const struct load *load, bool beside, struct counts *sum)
{
    for (unsigned n = 0; n < load->sessions; n++) {
        const struct counts *counts = initiator_counts(load->initiators[n], beside);
        sum->ops += counts->ops;
        sum->bytes += counts->bytes;
        histogram_merge(&sum->latency, &counts->latency);
    }
}

static void print_counts(const struct counts *counts, double seconds)
{
    printf("\"ops\": %llu, \"iops\": %.0f, \"mb_per_second\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"longest_us\": %.1f",
           (unsigned long long)counts->ops, (double)counts->ops / seconds, (double)counts->bytes / seconds / 1e6,
           (double)histogram_percentile_ns(&counts->latency, 50) / 1e3,
           (double)histogram_percentile_ns(&counts->latency, 99) / 1e3,
           (double)histogram_percentile_ns(&counts->latency, 99.9) / 1e3, (double)counts->latency.longest_ns / 1e3);
}

static double cpu_seconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void report(const struct load *load, double seconds, double used_seconds)
{
    static struct counts sum, beside;

    sum_up(load, false, &sum);
    sum_up(load, true, &beside);
    printf("{\"seconds\": %.3f, \"cpu_seconds\": %.6f, ", seconds, used_seconds);
    print_counts(&sum, seconds);
    if (load->options.beside.depth) {
        printf(", \"beside\": {");
        print_counts(&beside, seconds);
        printf("}");
    }
    printf(", \"session_ops\": [");
    for (unsigned n = 0; n < load->sessions; n++)
        printf("%s%llu", n ? ", " : "",
               (unsigned long long)initiator_counts(load->initiators[n], false)->ops);
    printf("]}\n");
}

/* Tells whoever measures the server's processor time that the counted part begins or ends. */
static void tell(const char *word)
{
    fprintf(stderr, "%s\n", word);
}

int main(int argc, char **argv)
{
    static struct load load = {
        .options = {.port = 3260, .span_bytes = 64 << 20, .job = {.block_bytes = 4096, .depth = 1}},
        .sessions = 1,
        .warm_up_ms = 200,
        .time_ms = 1000,
    };

    read_options(&load, argc, argv);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned n = 0; n < load.sessions; n++)
        open_session(&load, n);
    if (!load.options.ops_max) {
        run_until(&load, clock_monotonic_ns() + load.warm_up_ms * 1000000, false);
        for (unsigned n = 0; n < load.sessions; n++)
            initiator_reset_counts(load.initiators[n]);
    }
    tell("begin");
    uint64_t begun_ns = clock_monotonic_ns();
    double used_before = cpu_seconds();
    run_until(&load, begun_ns + load.time_ms * 1000000, false);
    double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    tell("end");
    report(&load, seconds, cpu_seconds() - used_before);
    fflush(stdout);
    run_until(&load, 0, true);
    for (unsigned n = 0; n < load.sessions; n++)
        initiator_free(load.initiators[n]);
    return 0;
}
