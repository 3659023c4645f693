/*
 * The boot program that PXE firmware is given, by processor: iPXE, which then asks again and gets the script of
 * its machine.
 *
 * Pure: names only. The files are other people's and lie where the configuration says.
 */
#pragma once

#include "base/base.h"

/* The path by which firmware of this architecture (DHCP option 93, RFC 4578 section 2.1) asks for it:
 * "ipxe/undionly.kpxe". NULL where there is none. */
const char *boot_program_path(int architecture);
/* The file's name behind such a path; NULL if it is another path. */
const char *boot_program_name(const char *path);
