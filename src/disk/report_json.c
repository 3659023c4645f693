/*
 * A report as JSON; the keys are described in inspect.h.
 */
#include "disk/inspect.h"

/* Labels and names come from the disk and may be any bytes: JSON takes UTF-8 alone, so other bytes become
 * '?'. */
static json_t *text_json(const char *s)
{
    json_t *text = json_string(s);

    if (text)
        return text;
    CLEANUP_FREE char *copy = xstrdup(s);
    for (char *at = copy; *at; at++) {
        if ((uint8_t)*at >= 0x80)
            *at = '?';
    }
    return json_string(copy);
}

static json_t *models_json(const bool models[PI_MODELS])
{
    json_t *array = json_array();

    for (enum pi_model model = 0; model < PI_MODELS; model++) {
        if (models[model])
            json_array_append_new(array, json_string(pi_model_name(model)));
    }
    return array;
}

static json_t *partition_json(const struct disk_report *report, const struct report_partition *at)
{
    char type[GUID_TEXT_SIZE] = "";

    if (report->table != PARTITION_TABLE_NONE)
        partition_type_text(type, report->table, &at->partition);
    return json_pack("{s:i, s:I, s:I, s:s, s:o, s:s, s:o, s:s, s:b, s:b, s:b, s:b}", "number",
                     (int)at->partition.number, "start_bytes", (json_int_t)at->partition.start_bytes,
                     "length_bytes", (json_int_t)at->partition.length_bytes, "type", type, "name",
                     text_json(at->partition.name), "filesystem", at->filesystem.type, "label",
                     text_json(at->filesystem.label), "uuid", at->filesystem.uuid, "active",
                     at->partition.is_active, "boot", at->is_boot, "root", at->is_root, "needs_recovery",
                     at->filesystem.needs_recovery);
}

static json_t *partitions_json(const struct disk_report *report)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < report->partition_count; i++)
        json_array_append_new(array, partition_json(report, &report->partitions[i]));
    return array;
}

static json_t *kernels_json(const struct disk_report *report)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < report->kernel_count; i++) {
        const struct report_kernel *at = &report->kernels[i];
        json_array_append_new(array,
                              json_pack("{s:i, s:o, s:I, s:s, s:o}", "partition", (int)at->partition, "path",
                                        text_json(at->path), "size_bytes", (json_int_t)at->size_bytes,
                                        "architecture", at->architecture, "models", models_json(at->models)));
    }
    return array;
}

static json_t *initramfs_json(const struct disk_report *report)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < report->initramfs_count; i++) {
        const struct report_initramfs *at = &report->initramfs[i];
        json_array_append_new(
            array, json_pack("{s:i, s:o, s:I, s:s, s:s}", "partition", (int)at->partition, "path",
                             text_json(at->path), "size_bytes", (json_int_t)at->size_bytes, "compression",
                             at->found.compression, "can_login", initramfs_answer_name(at->found.can_login)));
    }
    return array;
}

json_t *disk_report_json(const struct disk_report *report)
{
    json_t *json = json_pack(
        "{s:I, s:s, s:b, s:s, s:o, s:{s:o, s:o, s:o}, s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:s}", "size_bytes",
        (json_int_t)report->size_bytes, "table", partition_table_name(report->table), "table_from_backup",
        report->table_from_backup, "disk_id", report->disk_id, "partitions", partitions_json(report), "os",
        "name", text_json(report->os_name), "id", text_json(report->os_id), "version",
        text_json(report->os_version), "cloud_init", text_json(report->cloud_init), "architecture", report->architecture, "kernels", kernels_json(report),
        "models", models_json(report->models), "initramfs", initramfs_json(report), "iscsi",
        initramfs_answer_name(report->can_login), "command_line", text_json(report->command_line), "root",
        text_json(report->root), "advice", report->advice);

    CHECK(json != NULL);
    return json;
}
