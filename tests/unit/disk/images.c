#include "images.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static char folder[] = "/tmp/farboot-disk-XXXXXX";

int images_setup(void **state)
{
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

int images_teardown(void **state)
{
    CLEANUP_FREE char *command = xasprintf("rm -rf %s", folder);

    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static char *format_command(const char *format, va_list ap)
{
    char *command = NULL;

    assert_true(vasprintf(&command, format, ap) >= 0);
    return command;
}

void run(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    CLEANUP_FREE char *command = format_command(format, ap);
    va_end(ap);
    int status = system(command);
    if (status != 0)
        fail_msg("exit status %d: %s", status, command);
}

char *output_of(const char *format, ...)
{
    char line[4096];
    va_list ap;

    va_start(ap, format);
    CLEANUP_FREE char *command = format_command(format, ap);
    va_end(ap);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    line[0] = '\0';
    char *got = fgets(line, sizeof(line), pipe);
    assert_int_equal(pclose(pipe), 0);
    line[strcspn(got ? line : "", "\n")] = '\0';
    return xstrdup(line);
}

int open_image(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

struct disk_source image_source(int fd)
{
    struct disk_source source;

    assert_int_equal(disk_source_over_fd(fd, &source), 0);
    return source;
}

char *read_whole(const char *path, size_t *length_bytes)
{
    CLEANUP_FD int fd = open_image(path);
    struct disk_source source = image_source(fd);
    char *bytes = xcalloc(source.size_bytes + 1, 1);

    assert_int_equal(disk_source_read(&source, bytes, source.size_bytes, 0, VOLUME_MAY_WAIT), 0);
    *length_bytes = source.size_bytes;
    return bytes;
}

void write_whole(const char *path, const void *bytes, size_t length_bytes)
{
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length_bytes), length_bytes);
}

static int read_cold(const struct disk_source *source, void *buffer, size_t length_bytes, uint64_t offset,
                     enum volume_wait wait)
{
    struct cold_memory *memory = source->context;

    if (wait == VOLUME_NO_WAIT && !memory->is_warm)
        return -EAGAIN;
    memory->is_warm = true;
    memcpy(buffer, memory->data + source->start_bytes + offset, length_bytes);
    return 0;
}

struct disk_source cold_source(struct cold_memory *memory, size_t length_bytes)
{
    return (struct disk_source){.size_bytes = length_bytes, .read = read_cold, .context = memory};
}
