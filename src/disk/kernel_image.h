/*
 * What processor a kernel file is for, by its first bytes.
 *
 * Linux Documentation/arch/{arm64,x86}/boot*.rst, arch/arm/boot/compressed/head.S, and the ELF and PE
 * headers.
 */
#pragma once

#include "base/base.h"

enum { KERNEL_HEAD_BYTES = 4096 };

/* "arm64", "armhf", "amd64", "i386", "riscv64", or "" if it is no kernel that is known. A gzip-compressed
 * kernel is looked into. */
const char *kernel_architecture(const uint8_t *head, size_t length_bytes);
