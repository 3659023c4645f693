/*
 * The small formats of one disk: config.txt, a kernel's first bytes, file system magics.
 */
#include "disk/filesystem.h"
#include "disk/kernel_image.h"
#include "disk/pi_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct disk_source source = disk_source_over_memory(data, size);
    struct filesystem filesystem;
    struct pi_config config;
    char initramfs[PI_CONFIG_NAME_SIZE];

    for (enum pi_model model = 0; model < PI_MODELS; model++) {
        pi_config_parse((const char *)data, size, model, &config);
        pi_auto_initramfs(config.kernel, initramfs);
    }
    kernel_architecture(data, size);
    CHECK(filesystem_probe(&source, VOLUME_MAY_WAIT, &filesystem) == 0);
    is_head_of_disk(data, size);
    return 0;
}
