/*
 * Feeds every seed of a folder to one fuzz entry, so that what a fuzzer once found stays a test of every run.
 *
 * Linked with one file that defines LLVMFuzzerTestOneInput. Each seed is also given cut short at every length (or at
 * 512 lengths spread over it), since most decoders break at their ends.
 */
#include "base/base.h"

#include <dirent.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEED_MAX_BYTES = 1 << 20, CUTS_MAX = 512 };

static void feed(const uint8_t *data, size_t size)
{
    /* An exact copy, so that a sanitizer sees the first byte read past the end. */
    CLEANUP_FREE uint8_t *copy = malloc(size ? size : 1);

    CHECK(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
}

static bool replay_file(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = xasprintf("%s/%s", folder, name);
    CLEANUP_FREE uint8_t *data = xcalloc(SEED_MAX_BYTES, 1);
    FILE *file = fopen(path, "rb");

    if (!file)
        return false;
    size_t size = fread(data, 1, SEED_MAX_BYTES, file);
    fclose(file);
    size_t step = size / CUTS_MAX + 1;
    for (size_t cut = 0; cut < size; cut += step)
        feed(data, cut);
    feed(data, size);
    return true;
}

int main(int argc, char **argv)
{
    size_t seeds = 0;
    struct dirent *entry;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;

    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER-OF-SEEDS\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.')
            seeds += replay_file(argv[1], entry->d_name);
    }
    closedir(folder);
    printf("%zu seeds replayed\n", seeds);
    return seeds ? 0 : 1;
}
