/*
 * Partition tables of any disk: the list stays bounded and every partition inside the disk.
 */
#include "disk/partition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct partition_list list;
    struct disk_source source = disk_source_over_memory(data, size);

    CHECK(partition_list_read(&source, VOLUME_MAY_WAIT, &list) == 0);
    CHECK(list.count <= PARTITIONS_MAX);
    for (unsigned i = 0; i < list.count; i++) {
        const struct partition *p = &list.partitions[i];
        CHECK(p->start_bytes < size && p->length_bytes <= size - p->start_bytes && p->length_bytes > 0);
    }
    return 0;
}
