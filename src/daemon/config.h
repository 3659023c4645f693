/*
 * The configuration file: what the administrator decides, and nothing that changes by itself.
 *
 * Reads and checks one YAML file. A key that nobody knows is an error with its line and column, since a misspelt
 * setting that is silently ignored is found a month later. It opens nothing and starts nothing.
 */
#pragma once

#include "base/error.h"
#include "base/inet.h"
#include "base/log.h"
#include "base/mac.h"
#include "store/store.h"

#define CONFIG_DEFAULT_PATH "/etc/farboot/farboot.yaml"

enum { CONFIG_ADDRESSES_MAX = 8 };

enum config_dhcp_mode { CONFIG_DHCP_PROXY, CONFIG_DHCP_SERVER, CONFIG_DHCP_OFF };

struct config_subnet {
    struct inet_network network;
    bool has_range;
    uint32_t range_first;
    uint32_t range_last;
    uint32_t router; /* 0: none */
    uint32_t dns[CONFIG_ADDRESSES_MAX];
    size_t dns_count;
    uint32_t ntp[CONFIG_ADDRESSES_MAX];
    size_t ntp_count;
    char domain[256];
    uint32_t lease_seconds;
};

struct config {
    char **interfaces;
    size_t interface_count;
    char *user; /* "" : stay who we are */
    char *store;
    struct store_mark store_marks[STORE_SPACES]; /* how little may be free */
    char *socket;
    enum log_level log;
    enum config_dhcp_mode dhcp_mode;
    bool dhcp_authoritative;
    bool dhcp_known_only;
    struct config_subnet *subnets;
    size_t subnet_count;
    bool tftp_enabled;
    bool http_enabled;
    bool http_port_named; /* by the administrator */
    uint16_t http_port;
    bool nfs_enabled;
    bool nfs_asked_for; /* so that it must not fail silently */
    uint16_t nfs_port;
    bool nfs_port_mapper;
    char *nfs_boot_path; /* machines' boot folders are at this path and their hardware address */
    char *nfs_root_path;
    uint16_t iscsi_port;
    char *iqn_prefix;
    char *program_folder; /* iPXE's files */
    unsigned chap_algorithms; /* as CHAP_ALGORITHM_BIT; 0: all that farboot knows */
    bool discovery_auth;
};

/* The caller frees with `config_free`. The sentence names the file, the place and what is wrong with it. */
int config_load(const char *path, struct config **config, struct error *error);
void config_free(struct config *config);
DEFINE_CLEANUP(config, struct config *, config_free)
