/*
 * What a Raspberry Pi's `config.txt` says about which files it loads.
 *
 * Reads the settings that name files, for one model at a time, with the model sections ([pi4], [all], [none],
 * …) applied; other conditional sections (display, GPIO, serial) count as not holding. `include` lines are
 * not followed.
 */
#pragma once

#include "base/base.h"

enum { PI_CONFIG_NAME_SIZE = 256 };

enum pi_model { PI_3, PI_4, PI_5, PI_MODELS };

struct pi_config {
    char kernel[PI_CONFIG_NAME_SIZE];    /* "" if not set: the model's default names are tried */
    char initramfs[PI_CONFIG_NAME_SIZE]; /* "" if not set; the first if several are named */
    char command_line[PI_CONFIG_NAME_SIZE];
    char prefix[PI_CONFIG_NAME_SIZE]; /* os_prefix: put before all names, device trees included */
    bool auto_initramfs;              /* the name follows from the kernel's */
    bool is_32_bit;                   /* arm_64bit=0 */
};

void pi_config_parse(const char *text, size_t length_bytes, enum pi_model model, struct pi_config *config);
/* "Pi 4" */
const char *pi_model_name(enum pi_model model);
/* The file auto_initramfs means for a kernel: kernel8.img → initramfs8. False if the kernel's name is its
 * own. */
bool pi_auto_initramfs(const char *kernel, char initramfs[PI_CONFIG_NAME_SIZE]);
