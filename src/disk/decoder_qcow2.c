/*
 * qcow2, converted by qemu-img as a separate process.
 *
 * qcow2 has to be read here and there, so what comes in is spooled to an unnamed temporary file, and converted into a
 * second one. The process is given nothing else: it need not (and, in the daemon, may not) open anybody's file by name.
 * The header is read here, before that process sees it: an image that names other files (a backing file, an
 * external data file) could make qemu-img read whatever this process may read, and is refused.
 */
#include "base/bytes.h"
#include "disk/decoder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define QEMU_IMG "/usr/bin/qemu-img"

enum {
    HEADER_BYTES = 104,
    INCOMPATIBLE_DATA_FILE = 0x4,
    INPUT_FD = 3, /* as the child sees them */
    OUTPUT_FD = 4,
    FIRST_FREE_FD = 5,
    WAIT_MS = 50,
    MEMORY_MAX_MIB = 2048,
};

struct qcow2 {
    int fd;
    uint64_t offset;
    uint64_t size_bytes;
};

static bool recognises_qcow2(const uint8_t *head, size_t length_bytes)
{
    return length_bytes >= 4 && memcmp(head, "QFI\xfb", 4) == 0;
}

static int check_header(struct import_input *input, uint64_t limit_bytes, uint64_t *size_bytes,
                        struct error *error)
{
    int got = import_input_want(input, HEADER_BYTES);
    struct reader r = reader_over(import_input_data(input), import_input_left(input));

    if (got < 0)
        return error_set_errno(error, got, "cannot be read");
    reader_skip(&r, 4);
    uint32_t version = reader_be32(&r);
    uint64_t backing_offset = reader_be64(&r);
    reader_skip(&r, 8); /* length of the backing file's name, cluster bits */
    *size_bytes = reader_be64(&r);
    uint32_t encryption = reader_be32(&r);
    reader_seek(&r, 72);
    uint64_t incompatible = version >= 3 ? reader_be64(&r) : 0;
    if (!reader_ok(&r) || version < 2 || version > 3)
        return error_set(error, -EBADMSG, "the qcow2 header is damaged");
    if (backing_offset)
        return error_set(error, -EOPNOTSUPP,
                         "the qcow2 image needs a backing file: flatten it first "
                         "(qemu-img convert -O qcow2 OLD NEW)");
    if (incompatible & INCOMPATIBLE_DATA_FILE)
        return error_set(error, -EOPNOTSUPP,
                         "the qcow2 image keeps its data in another file: flatten it first");
    if (encryption)
        return error_set(error, -EOPNOTSUPP, "the qcow2 image is encrypted");
    if (*size_bytes > limit_bytes)
        return error_set(error, -EFBIG, "the disk inside would be larger than the limit");
    return 0;
}

/* In the child, between fork and exec: only calls that are safe there. */
static void become_qemu_img(int input_fd, int output_fd, uint64_t size_bytes)
{
    static char *const arguments[] = {"qemu-img", "convert",   "-f",        "qcow2",     "-O", "raw",
                                      "-t",       "writeback", "/dev/fd/3", "/dev/fd/4", NULL};
    static char *const environment[] = {"LC_ALL=C", NULL};
    struct rlimit file_size = {size_bytes + (1 << 20), size_bytes + (1 << 20)};
    struct rlimit memory = {(rlim_t)MEMORY_MAX_MIB << 20, (rlim_t)MEMORY_MAX_MIB << 20};
    int null_fd = open("/dev/null", O_RDWR);
    int in = fcntl(input_fd, F_DUPFD, FIRST_FREE_FD);
    int out = fcntl(output_fd, F_DUPFD, FIRST_FREE_FD);

    if (null_fd < 0 || in < 0 || out < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 ||
        dup2(null_fd, 2) < 0 || dup2(in, INPUT_FD) < 0 || dup2(out, OUTPUT_FD) < 0)
        _exit(126);
    close_range(FIRST_FREE_FD, ~0u, 0);
    setrlimit(RLIMIT_FSIZE, &file_size);
    setrlimit(RLIMIT_AS, &memory);
    execve(QEMU_IMG, arguments, environment);
    _exit(127);
}

static bool is_cancelled(const struct import_input *input)
{
    return input->cancelled && atomic_load(input->cancelled);
}

/* The child's exit status, or -ECANCELED with the child gone. */
static int wait_for(pid_t child, const struct import_input *input)
{
    int status;

    for (;;) {
        pid_t r = waitpid(child, &status, WNOHANG);
        if (r == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
        if (r < 0 && errno != EINTR)
            return -errno;
        if (is_cancelled(input)) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -ECANCELED;
        }
        usleep(WAIT_MS * 1000);
    }
}

static int convert(struct import_input *input, int packed_fd, int output_fd, uint64_t size_bytes,
                   struct error *error)
{
    if (access(QEMU_IMG, X_OK) < 0)
        return error_set(error, -EOPNOTSUPP, "reading qcow2 needs qemu-img (Debian package qemu-utils)");
    pid_t child = fork();
    if (child == 0)
        become_qemu_img(packed_fd, output_fd, size_bytes);
    if (child < 0)
        return error_set_errno(error, -errno, "qemu-img cannot be started");
    int status = wait_for(child, input);
    if (status == -ECANCELED)
        return error_set(error, -ECANCELED, "cancelled");
    if (status == 127)
        return error_set(error, -EOPNOTSUPP,
                         "qemu-img cannot be started: convert the image first "
                         "(qemu-img convert -O raw OLD NEW)");
    if (status != 0)
        return error_set(error, -EBADMSG, "qemu-img cannot read the qcow2 image, or %s is full",
                         input->temporary_folder);
    return 0;
}

static int temporary_file(const struct import_input *input, struct error *error)
{
    int fd = open(input->temporary_folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    return fd >= 0 ? fd
                   : error_set_errno(error, -errno, "no temporary file can be made in %s", input->temporary_folder);
}

static int write_all(int fd, const uint8_t *bytes, size_t length_bytes)
{
    while (length_bytes > 0) {
        ssize_t written = write(fd, bytes, length_bytes);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            bytes += written;
            length_bytes -= (size_t)written;
        }
    }
    return 0;
}

/* All of the input, from the bytes that were looked at to its end. */
static int spool(struct import_input *input, int fd, uint64_t limit_bytes, struct error *error)
{
    uint64_t spooled = 0;
    int r;

    while ((r = import_input_fill(input)) == 0 && import_input_left(input) > 0) {
        size_t length = import_input_left(input);
        spooled += length;
        if (spooled > limit_bytes)
            return error_set(error, -EFBIG, "the qcow2 image is larger than the limit");
        r = write_all(fd, import_input_data(input), length);
        if (r < 0)
            return error_set_errno(error, r, "%s", input->temporary_folder);
        input->at += length;
    }
    if (r == -ECANCELED)
        return error_set(error, r, "cancelled");
    return r < 0 ? error_set_errno(error, r, "cannot be read") : 0;
}

static int qcow2_open(struct import_input *input, uint64_t limit_bytes, void **state, struct error *error)
{
    uint64_t size_bytes = 0;
    int r = check_header(input, limit_bytes, &size_bytes, error);

    if (r < 0)
        return r;
    CLEANUP_FD int packed = temporary_file(input, error);
    CLEANUP_FD int fd = packed < 0 ? packed : temporary_file(input, error);
    if (fd < 0)
        return fd;
    r = spool(input, packed, limit_bytes, error);
    if (r == 0)
        r = convert(input, packed, fd, size_bytes, error);
    if (r < 0)
        return r;
    struct qcow2 *qcow2 = xcalloc(1, sizeof(*qcow2));
    qcow2->size_bytes = size_bytes;
    qcow2->fd = TAKE_FD(fd);
    *state = qcow2;
    return 0;
}

static ssize_t qcow2_read(void *state, void *buffer, size_t capacity_bytes, struct error *error)
{
    struct qcow2 *qcow2 = state;
    size_t length = (size_t)MIN((uint64_t)capacity_bytes, qcow2->size_bytes - qcow2->offset);
    ssize_t got = length ? pread(qcow2->fd, buffer, length, (off_t)qcow2->offset) : 0;

    if (got < 0)
        return error_set_errno(error, -errno, "what qemu-img made cannot be read");
    if (!got && length)
        return error_set(error, -EBADMSG, "what qemu-img made is too short");
    qcow2->offset += (uint64_t)got;
    return got;
}

static void qcow2_close(void *state)
{
    struct qcow2 *qcow2 = state;

    if (!qcow2)
        return;
    close(qcow2->fd);
    free(qcow2);
}

const struct decoder decoder_qcow2 = {.name = "qcow2",
                                      .recognises = recognises_qcow2,
                                      .open = qcow2_open,
                                      .read = qcow2_read,
                                      .close = qcow2_close};
