#include "fleet/boot_program.h"

#define FOLDER "ipxe/"

/* `snponly` and `undionly` use the firmware's own driver of the card that was booted from, so they work with any. The
 * numbers 7 and 9 are both in use for x86-64 (RFC 4578 errata 4625); from 15 on they mean the same by HTTP. */
static const struct {
    int architecture;
    const char *path;
} programs[] = {
    {0, FOLDER "undionly.kpxe"},   {6, FOLDER "snponly-i386.efi"},   {7, FOLDER "snponly.efi"},
    {9, FOLDER "snponly.efi"},     {11, FOLDER "snponly-arm64.efi"}, {15, FOLDER "snponly-i386.efi"},
    {16, FOLDER "snponly.efi"},    {19, FOLDER "snponly-arm64.efi"},
};

const char *boot_program_path(int architecture)
{
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        if (programs[i].architecture == architecture)
            return programs[i].path;
    }
    return NULL;
}

const char *boot_program_name(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        if (strcmp(programs[i].path, path) == 0)
            return path + strlen(FOLDER);
    }
    return NULL;
}
