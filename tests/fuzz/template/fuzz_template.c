/*
 * The texts of a machine's boot partition that are read and rewritten: cmdline.txt and config.txt.
 */
#include "base/bytes.h"
#include "bootfiles/config_txt.h"
#include "fleet/boot_script.h"
#include "fleet/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(const char *bytes, size_t length_bytes)
{
    const struct disk_location disk = {
        .initiator = "iqn.x:machine:a", .target = "iqn.x:root:a", .server = 1, .port = 1};
    /* The bytes are also what is wished for, where they could be. */
    CLEANUP_FREE char *words = xcalloc(length_bytes + 1, 1);
    struct cmdline_wishes wishes = {.add = "", .remove = ""};
    CLEANUP_TEXT struct text cmdline = text_with_max(2 * CMDLINE_MAX_BYTES);
    CLEANUP_TEXT struct text script = text_with_max(4 * CMDLINE_MAX_BYTES);

    memcpy(words, bytes, length_bytes);
    if (setting_check(SETTING_CMDLINE_ADD, SETTING_FROM_GROUP, words, NULL) == 0)
        wishes = (struct cmdline_wishes){.add = words, .remove = words};
    if (template_cmdline(&cmdline, bytes, length_bytes, &disk, &wishes) < 0)
        return;
    CHECK(memmem(cmdline.data, cmdline.length_bytes, "ip=dhcp iscsi_initiator=iqn.x:machine:a", 39));
    const struct boot_script ipxe = {.base_url = "tftp://192.0.2.1/",
                                     .kernel = "vmlinuz",
                                     .initramfs = {"initrd.img"},
                                     .initramfs_count = 1,
                                     .cmdline = text_string(&cmdline),
                                     .cmdline_length_bytes = cmdline.length_bytes};
    (void)boot_script_ipxe(&script, &ipxe);
}

static char *read_again(void *arg, const char *name, size_t *length_bytes)
{
    const struct reader *whole = arg;
    char *copy = xcalloc(1, whole->length_bytes + 1);

    if (whole->length_bytes > 0)
        memcpy(copy, whole->data, whole->length_bytes);
    *length_bytes = whole->length_bytes;
    return copy;
}

static void configure(const uint8_t *data, size_t size)
{
    struct reader whole = reader_over(data, size);
    const struct config_txt_files files = {.read = read_again, .arg = &whole};
    struct config_txt config;
    char name[CONFIG_TXT_NAME_SIZE];

    config_txt_parse(&config, (const char *)data, size, &files);
    CHECK(config.name_count <= CONFIG_TXT_NAMES_MAX && config.include_count <= CONFIG_TXT_INCLUDES_MAX);
    (void)config_txt_role(&config, "current/vmlinuz");
    (void)config_txt_auto_initramfs(config.kernel, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rewrite((const char *)data, size);
    configure(data, size);
    return 0;
}
