/*
 * An initramfs of any content, uncompressed parts and compressed ones.
 */
#include "disk/initramfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct disk_source source = disk_source_over_memory(data, size);
    struct initramfs_report report;

    CHECK(initramfs_inspect(&source, &report) == 0);
    return 0;
}
