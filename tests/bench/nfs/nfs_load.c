/*
 * Loads an NFS server through libnfs, one call at a time: reads, small files made durable, metadata.
 *
 *   nfs_load URL        e.g. nfs://127.0.0.1/srv/tftp/a?nfsport=2049&mountport=2049
 *
 * Prints one line per load: its name, a figure, its unit.
 */
#include <fcntl.h>
#include <nfsc/libnfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BIG_MIB = 64, CHUNK = 256 * 1024, SMALL_FILES = 300, SMALL_BYTES = 4096, STATS = 5000, DIRECTORIES = 200 };

static struct nfs_context *nfs;
static char buffer[CHUNK];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "nfs_load: %s: %s\n", what, nfs_get_error(nfs));
    exit(1);
}

static void tell(const char *name, double begun, double amount, const char *unit)
{
    printf("%-22s %10.0f %s\n", name, amount / (now() - begun), unit);
    fflush(stdout);
}

static void write_big(void)
{
    struct nfsfh *file;
    double begun = now();

    must(nfs_creat(nfs, "/big", 0644, &file), "creat");
    for (int i = 0; i < BIG_MIB * 4; i++)
        must(nfs_write(nfs, file, CHUNK, buffer), "write");
    must(nfs_fsync(nfs, file), "fsync");
    must(nfs_close(nfs, file), "close");
    tell("write, one fsync", begun, BIG_MIB, "MiB/s");
}

static void read_big(const char *name, int bytes, int count)
{
    struct nfsfh *file;
    double begun = now();

    must(nfs_open(nfs, "/big", O_RDONLY, &file), "open");
    for (int i = 0; i < count; i++)
        must(nfs_pread(nfs, file, (uint64_t)(i * 7919LL % (BIG_MIB * 16)) * 65536 % (BIG_MIB * 1048576ULL - CHUNK),
                       (uint64_t)bytes, buffer), "read");
    must(nfs_close(nfs, file), "close");
    tell(name, begun, bytes >= CHUNK ? (double)count * bytes / 1048576 : count, bytes >= CHUNK ? "MiB/s" : "reads/s");
}

static void small_files(void)
{
    char path[32];
    struct nfsfh *file;
    double begun = now();

    for (int i = 0; i < SMALL_FILES; i++) {
        snprintf(path, sizeof(path), "/small-%d", i);
        must(nfs_creat(nfs, path, 0644, &file), "creat");
        must(nfs_write(nfs, file, SMALL_BYTES, buffer), "write");
        must(nfs_fsync(nfs, file), "fsync");
        must(nfs_close(nfs, file), "close");
    }
    tell("small files, each fsync", begun, SMALL_FILES, "files/s");
    begun = now();
    for (int i = 0; i < SMALL_FILES; i++) {
        snprintf(path, sizeof(path), "/small-%d", i);
        must(nfs_unlink(nfs, path), "unlink");
    }
    tell("unlink", begun, SMALL_FILES, "files/s");
}

static void metadata(void)
{
    char path[32], other[32];
    struct nfs_stat_64 st;
    double begun = now();

    for (int i = 0; i < STATS; i++)
        must(nfs_stat64(nfs, "/big", &st), "stat");
    tell("stat", begun, STATS, "ops/s");
    begun = now();
    for (int i = 0; i < DIRECTORIES; i++) {
        snprintf(path, sizeof(path), "/d-%d", i);
        snprintf(other, sizeof(other), "/e-%d", i);
        must(nfs_mkdir(nfs, path), "mkdir");
        must(nfs_rename(nfs, path, other), "rename");
        must(nfs_rmdir(nfs, other), "rmdir");
    }
    tell("mkdir, rename, rmdir", begun, DIRECTORIES * 3, "ops/s");
}

int main(int argc, char **argv)
{
    nfs = nfs_init_context();
    struct nfs_url *url = argc == 2 ? nfs_parse_url_dir(nfs, argv[1]) : NULL;
    if (!url) {
        fprintf(stderr, "usage: nfs_load URL\n");
        return 2;
    }
    must(nfs_mount(nfs, url->server, url->path), "mount");
    write_big();
    read_big("sequential reads 256K", CHUNK, 2048);
    read_big("random reads 4K", 4096, 10000);
    small_files();
    metadata();
    nfs_destroy_url(url);
    nfs_destroy_context(nfs);
    return 0;
}
