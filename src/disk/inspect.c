#include "disk/inspect_parts.h"

#include "base/text.h"
#include "disk/boot_partition.h"

#include <stdio.h>

struct report_kernel *report_add_kernel(struct disk_report *report, unsigned partition, const char *path)
{
    if (report->kernel_count == REPORT_KERNELS_MAX)
        return NULL;
    struct report_kernel *kernel = &report->kernels[report->kernel_count++];
    *kernel = (struct report_kernel){.partition = partition, .architecture = ""};
    COPY_STRING(kernel->path, path);
    return kernel;
}

struct report_initramfs *report_add_initramfs(struct disk_report *report, unsigned partition,
                                              const char *path)
{
    if (report->initramfs_count == REPORT_INITRAMFS_MAX)
        return NULL;
    struct report_initramfs *initramfs = &report->initramfs[report->initramfs_count++];
    *initramfs = (struct report_initramfs){.partition = partition};
    COPY_STRING(initramfs->path, path);
    return initramfs;
}

void report_read_kernel(struct report_kernel *kernel, const struct disk_source *file)
{
    uint8_t head[KERNEL_HEAD_BYTES];
    size_t length = (size_t)MIN((uint64_t)sizeof(head), file->size_bytes);

    kernel->size_bytes = file->size_bytes;
    if (disk_source_read(file, head, length, 0, VOLUME_MAY_WAIT) == 0)
        kernel->architecture = kernel_architecture(head, length);
}

static int take_partitions(const struct disk_source *disk, const struct partition_list *list,
                           struct disk_report *report)
{
    report->size_bytes = disk->size_bytes;
    report->table = list->table;
    report->table_from_backup = list->from_backup;
    if (list->table == PARTITION_TABLE_MBR)
        snprintf(report->disk_id, sizeof(report->disk_id), "%08x", list->disk_id);
    if (list->table == PARTITION_TABLE_GPT)
        guid_text(report->disk_id, list->disk_guid);
    for (unsigned i = 0; i < list->count; i++)
        report->partitions[report->partition_count++].partition = list->partitions[i];
    if (list->table == PARTITION_TABLE_NONE)
        report->partitions[report->partition_count++].partition.length_bytes = disk->size_bytes;
    for (unsigned i = 0; i < report->partition_count; i++) {
        struct report_partition *at = &report->partitions[i];
        struct disk_source source = partition_source(disk, &at->partition);
        int r = filesystem_probe(&source, VOLUME_MAY_WAIT, &at->filesystem);
        if (r == -EIO)
            return r;
    }
    return 0;
}

static struct report_partition *partition_by_number(struct disk_report *report, unsigned number)
{
    for (unsigned i = 0; i < report->partition_count; i++) {
        if (report->partitions[i].partition.number == number)
            return &report->partitions[i];
    }
    return NULL;
}

static int look_at_boot(const struct disk_source *disk, const struct partition_list *list,
                        struct disk_report *report)
{
    struct disk_source boot;
    unsigned number;
    int r = boot_partition_choose(disk, list, VOLUME_MAY_WAIT, &boot, &number);

    if (r < 0)
        return r == -EIO ? r : 0;
    struct report_partition *partition = partition_by_number(report, number);
    if (partition)
        partition->is_boot = true;
    inspect_boot(&boot, number, report);
    return 0;
}

static void look_at_roots(const struct disk_source *disk, struct disk_report *report)
{
    for (unsigned i = 0; i < report->partition_count; i++) {
        struct report_partition *at = &report->partitions[i];
        struct disk_source source = partition_source(disk, &at->partition);
        if (string_starts_with(at->filesystem.type, "ext"))
            at->is_root = inspect_ext(&source, at->partition.number, report);
    }
}

/* ---- what it all means ---- */

/* Where firmware's files are on the FAT, the others in /boot are only what they were copied from. */
static bool counts_for_boot(const struct disk_report *report, unsigned partition)
{
    bool any = false;

    for (unsigned i = 0; i < report->partition_count; i++) {
        const struct report_partition *at = &report->partitions[i];
        any = any || (at->is_boot && report->has_config);
        if (at->is_boot && report->has_config && at->partition.number == partition)
            return true;
    }
    return !any;
}

static enum initramfs_answer answer_of_all(const struct disk_report *report)
{
    enum initramfs_answer answer = INITRAMFS_UNKNOWN;
    bool any_kernel = false;

    for (unsigned i = 0; i < report->kernel_count; i++)
        any_kernel = any_kernel || counts_for_boot(report, report->kernels[i].partition);
    for (unsigned i = 0; i < report->initramfs_count; i++) {
        enum initramfs_answer one = report->initramfs[i].found.can_login;
        if (!counts_for_boot(report, report->initramfs[i].partition))
            continue;
        if (one == INITRAMFS_NO)
            return INITRAMFS_NO;
        answer = i == 0 || answer == INITRAMFS_YES || one == INITRAMFS_UNKNOWN ? one : answer;
        any_kernel = false;
    }
    /* A kernel that no initramfs goes with cannot log in to anything. */
    return any_kernel ? INITRAMFS_NO : answer;
}

static const char *common_architecture(const struct disk_report *report)
{
    for (unsigned i = 0; i < report->kernel_count; i++) {
        if (report->kernels[i].architecture[0])
            return report->kernels[i].architecture;
    }
    return "";
}

static bool any_is_dracut(const struct disk_report *report)
{
    for (unsigned i = 0; i < report->initramfs_count; i++) {
        if (report->initramfs[i].found.is_dracut)
            return true;
    }
    return false;
}

static const char *advice_for(const struct disk_report *report)
{
    if (!report->kernel_count)
        return "No kernel was found in it: machines can only start it through its own boot loader (--boot "
               "san).";
    if (report->can_login == INITRAMFS_NO && any_is_dracut(report))
        return "Its initramfs cannot log in to iSCSI: on a machine with this disk, install dracut's network "
               "and iSCSI "
               "modules (dracut-network and iscsi-initiator-utils, or open-iscsi), run `dracut --force --add "
               "iscsi`, "
               "and import the disk again.";
    if (report->can_login == INITRAMFS_NO && !report->initramfs_count)
        return "It boots without an initramfs, so it cannot log in to iSCSI: on a machine with this disk, "
               "install "
               "open-iscsi and initramfs-tools, have the firmware load the initramfs (auto_initramfs=1 in "
               "config.txt), "
               "and import the disk again.";
    if (report->can_login == INITRAMFS_NO)
        return "Its initramfs cannot log in to iSCSI: on a machine with this disk, install open-iscsi, set "
               "MODULES=most "
               "in /etc/initramfs-tools/initramfs.conf, run `update-initramfs -u`, and import the disk "
               "again.";
    if (!report->has_config)
        return "It has no boot partition with a config.txt, so its files cannot be served: machines must "
               "start it "
               "through its own boot loader (--boot san).";
    if (report->can_login == INITRAMFS_UNKNOWN)
        return "Its initramfs could not be read: check that it holds iscsistart and the iscsi_tcp module.";
    return "";
}

int inspect_disk(const struct disk_source *disk, struct disk_report *report)
{
    CLEANUP_FREE struct partition_list *list = xcalloc(1, sizeof(*list));
    int r = partition_list_read(disk, VOLUME_MAY_WAIT, list);

    *report = (struct disk_report){.architecture = ""};
    if (r == 0)
        r = take_partitions(disk, list, report);
    if (r == 0)
        r = look_at_boot(disk, list, report);
    if (r < 0)
        return r;
    look_at_roots(disk, report);
    report->architecture = common_architecture(report);
    report->can_login = answer_of_all(report);
    COPY_STRING(report->advice, advice_for(report));
    return 0;
}
