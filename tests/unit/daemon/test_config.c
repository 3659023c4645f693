#include "../test.h"

#include "daemon/config.h"

#include <stdio.h>

static char path[] = "/tmp/farboot-config-XXXXXX";

static int load(const char *yaml, struct config **config, struct error *error)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(yaml, file);
    fclose(file);
    return config_load(path, config, error);
}

static void the_least_that_is_needed_gets_the_defaults(void **state)
{
    struct config *config;

    assert_int_equal(load("interfaces: [eth0]\n", &config, NULL), 0);
    assert_int_equal(config->interface_count, 1);
    assert_string_equal(config->interfaces[0], "eth0");
    assert_string_equal(config->user, "farboot");
    assert_string_equal(config->store, "/var/lib/farboot");
    assert_int_equal(config->store_marks[STORE_SPACE_LOW].percent, 10);
    assert_int_equal(config->store_marks[STORE_SPACE_REFUSING].percent, 5);
    assert_int_equal(config->store_marks[STORE_SPACE_FULL].percent, 1);
    assert_int_equal(config->dhcp_mode, CONFIG_DHCP_PROXY);
    assert_true(config->dhcp_authoritative);
    assert_true(config->tftp_enabled);
    assert_true(config->http_enabled);
    assert_int_equal(config->http_port, 80);
    assert_false(config->http_port_named);
    assert_true(config->nfs_enabled && !config->nfs_asked_for && config->nfs_port_mapper);
    assert_int_equal(config->nfs_port, 2049);
    assert_string_equal(config->nfs_boot_path, "/srv/tftp");
    assert_int_equal(config->iscsi_port, 3260);
    config_free(config);
}

static void a_whole_configuration_means_what_it_says(void **state)
{
    struct config *config;

    assert_int_equal(load("interfaces: [eth0, eth1]\n"
                          "user: ''\n"
                          "store: /srv/farboot\n"
                          "store_warn: 20%\n"
                          "store_refuse: 50G\n"
                          "store_full: 0\n"
                          "log: debug\n"
                          "dhcp:\n"
                          "  mode: server\n"
                          "  authoritative: false\n"
                          "  known_only: true\n"
                          "  subnets:\n"
                          "    - subnet: 192.168.20.0/24\n"
                          "      range: 192.168.20.100-192.168.20.199\n"
                          "      router: 192.168.20.1\n"
                          "      dns: [192.168.20.1, 9.9.9.9]\n"
                          "      domain: lab\n"
                          "      ntp: []\n"
                          "      lease_seconds: 600\n"
                          "    - subnet: 10.0.0.0/8\n"
                          "tftp:\n"
                          "  enabled: false\n"
                          "http:\n"
                          "  enabled: true\n"
                          "  port: 8080\n"
                          "nfs:\n"
                          "  port: 20049\n"
                          "  port_mapper: false\n"
                          "  boot_path: /boot/of\n"
                          "iscsi:\n"
                          "  port: 3261\n"
                          "  iqn_prefix: iqn.2020-01.org.example\n",
                          &config, NULL),
                     0);
    assert_string_equal(config->user, "");
    assert_int_equal(config->store_marks[STORE_SPACE_LOW].percent, 20);
    assert_int_equal(config->store_marks[STORE_SPACE_REFUSING].bytes, 50ull << 30);
    assert_int_equal(config->store_marks[STORE_SPACE_FULL].bytes, 0);
    assert_int_equal(config->log, LOG_LEVEL_DEBUG);
    assert_int_equal(config->subnet_count, 2);
    assert_true(config->subnets[0].has_range);
    assert_int_equal(config->subnets[0].range_first, 0xc0a81464);
    assert_int_equal(config->subnets[0].dns[1], 0x09090909);
    assert_string_equal(config->subnets[0].domain, "lab");
    assert_int_equal(config->subnets[0].lease_seconds, 600);
    assert_false(config->subnets[1].has_range);
    assert_false(config->tftp_enabled);
    assert_true(config->http_enabled);
    assert_int_equal(config->http_port, 8080);
    assert_true(config->http_port_named);
    assert_true(config->nfs_enabled && config->nfs_asked_for && !config->nfs_port_mapper);
    assert_int_equal(config->nfs_port, 20049);
    assert_string_equal(config->nfs_boot_path, "/boot/of");
    assert_int_equal(config->iscsi_port, 3261);
    assert_string_equal(config->iqn_prefix, "iqn.2020-01.org.example");
    config_free(config);
}

static void a_mistake_is_told_with_its_place(void **state)
{
    static const struct {
        const char *yaml;
        const char *sentence; /* part of it */
    } cases[] = {
        {"interfaces: [eth0]\ndhpc:\n  mode: proxy\n", ":2:1: unknown key \"dhpc\""},
        {"interfaces: [eth0]\ndhcp:\n  mode: proxy\n  autoritative: true\n", ":4:3: unknown key \"autoritative\""},
        {"interfaces: []\n", "Insufficient entries"},
        {"user: farboot\n", "Missing required mapping field: interfaces"},
        {"interfaces: [eth0]\ndhcp:\n  mode: both\n", "\"both\" is none of proxy, server, off"},
        {"interfaces: [eth0]\ndhcp:\n  mode: server\n", "needs at least one entry under subnets"},
        {"interfaces: [eth0]\nstore_warn: 91%\n", "store_warn: \"91%\" is neither a part of the disk"},
        {"interfaces: [eth0]\nstore_full: some\n", "store_full: \"some\" is neither"},
        {"interfaces: [eth0]\nlog: loud\n", "\"loud\" is none of"},
        {"interfaces: [eth0]\nhttp:\n  port: 0\n", "http: port: 0 is not a port"},
        {"interfaces: [eth0]\niscsi:\n  port: 0\n", "0 is not a port"},
        {"interfaces: [eth0]\niscsi:\n  port: 70000\n", ":3:9:"},
        {"interfaces: [eth0]\niscsi:\n  iqn_prefix: farboot\n", "is not like iqn."},
        {"interfaces: [eth0]\ndhcp:\n  mode: server\n  subnets:\n    - subnet: 192.168.20.7/24\n", "is not a network"},
        {"interfaces: [eth0]\ndhcp:\n  mode: server\n  subnets:\n    - subnet: 192.168.20.0/24\n"
         "      range: 192.168.20.9-192.168.20.5\n",
         "in order"},
        {"interfaces: [eth0]\ndhcp:\n  mode: server\n  subnets:\n    - subnet: 192.168.20.0/24\n"
         "      range: 192.168.21.1-192.168.21.9\n",
         "outside its subnet"},
        {"interfaces: [eth0]\ndhcp:\n  subnets:\n    - subnet: 192.168.20.0/24\n", "only for mode server"},
        {"interfaces: [eth0]\nnfs:\n  port: 0\n", "0 is not a port"},
        {"interfaces: [eth0]\nnfs:\n  boot_path: srv\n", "\"srv\" is not a path like /srv/tftp"},
        {"interfaces: [eth0]\nnfs:\n  root_path: /srv/../etc\n", "is not a path like"},
        {"interfaces: [eth0]\nnfs:\n  root_path: /srv/tftp\n", "must differ"},
        {"interfaces: [eth0\n", ":"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config *config;
        struct error error = {0};
        assert_int_equal(load(cases[i].yaml, &config, &error), -EINVAL);
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("%s\nis not in: %s", cases[i].sentence, error.text);
    }
}

static void a_missing_file_is_named(void **state)
{
    struct config *config;
    struct error error = {0};

    assert_int_equal(config_load("/nonexistent/farboot.yaml", &config, &error), -ENOENT);
    assert_string_equal(error.text, "/nonexistent/farboot.yaml: cannot be read: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_that_is_needed_gets_the_defaults),
        cmocka_unit_test(a_whole_configuration_means_what_it_says),
        cmocka_unit_test(a_mistake_is_told_with_its_place),
        cmocka_unit_test(a_missing_file_is_named),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
