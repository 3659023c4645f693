#include "daemon/confine.h"

#include "base/log.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- folders and the account ---- */

static const struct passwd *find_user(const char *user, struct error *error)
{
    const struct passwd *account = getpwnam(user);

    if (!account)
        error_set(error, -ENOENT,
                  "the account \"%s\" does not exist (create it: useradd --system %s; or name another with user: in the "
                  "configuration)",
                  user, user);
    return account;
}

static int make_folders(const char *path)
{
    CLEANUP_FREE char *part = xstrdup(path);

    for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(part, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

int confine_prepare_folder(const char *path, const char *user, struct error *error)
{
    int r = make_folders(path);

    if (r < 0)
        return error_set_errno(error, r, "%s: cannot be created", path);
    if (!*user)
        return 0;
    const struct passwd *account = find_user(user, error);
    if (!account)
        return -ENOENT;
    if (chown(path, account->pw_uid, account->pw_gid) < 0)
        return error_set_errno(error, -errno, "%s: cannot be given to %s", path, user);
    return 0;
}

int confine_become(const char *user, struct error *error)
{
    if (!*user)
        return 0;
    const struct passwd *account = find_user(user, error);
    if (!account)
        return -ENOENT;
    if (geteuid() == account->pw_uid)
        return 0;
    if (geteuid() != 0)
        return error_set(error, -EPERM, "must be started as root, to become %s after opening its sockets", user);
    capng_clear(CAPNG_SELECT_BOTH);
    capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW, CAP_NET_BIND_SERVICE, -1);
    int r = capng_change_id((int)account->pw_uid, (int)account->pw_gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    if (r != 0)
        return error_set(error, -EPERM, "cannot become %s (capng_change_id: %d)", user, r);
    /* A process that changed its account is not dumpable, and then may not look at its own /proc. */
    prctl(PR_SET_DUMPABLE, 1);
    return 0;
}

/* ---- landlock: which files ---- */

#define LANDLOCK_READ                                                                                        \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Kernels before 5.19 know no right to move a file from one directory to another, and then forbid it. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#define LANDLOCK_ALL                                                                                         \
    (LANDLOCK_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                         \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |           \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |             \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static uint64_t all_rights(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return LANDLOCK_ALL | (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0);
}

static void allow_below(int ruleset, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    CLEANUP_FD int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return;
    rule.parent_fd = fd;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        log_warning("landlock: %s: %s", path, strerror(errno));
}

static bool restrict_files(const char *const *folders, const char *also_readable)
{
    /* Programs and libraries for qemu-img, time zones, host names; /proc for our own descriptors. */
    static const char *const readable[] = {"/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", NULL};
    static const char *const devices[] = {"/dev/null", "/dev/urandom", NULL};
    struct landlock_ruleset_attr attributes = {.handled_access_fs = all_rights()};
    CLEANUP_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);

    if (ruleset < 0)
        return false;
    for (size_t i = 0; readable[i]; i++)
        allow_below(ruleset, readable[i], LANDLOCK_READ);
    allow_below(ruleset, also_readable, LANDLOCK_READ);
    for (size_t i = 0; devices[i]; i++)
        allow_below(ruleset, devices[i], LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    for (size_t i = 0; folders[i]; i++)
        allow_below(ruleset, folders[i], attributes.handled_access_fs);
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}

/* ---- seccomp: which system calls ---- */

/* What a boot server never asks of the kernel, and what whoever breaks into one would ask first. */
static const int never_called[] = {
    SCMP_SYS(acct),          SCMP_SYS(add_key),         SCMP_SYS(bpf),
    SCMP_SYS(chroot),        SCMP_SYS(delete_module),   SCMP_SYS(finit_module),
    SCMP_SYS(fsconfig),      SCMP_SYS(fsmount),         SCMP_SYS(fsopen),
    SCMP_SYS(init_module),   SCMP_SYS(io_uring_enter),  SCMP_SYS(io_uring_register),
    SCMP_SYS(io_uring_setup), SCMP_SYS(kexec_file_load), SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),        SCMP_SYS(mount),           SCMP_SYS(move_mount),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(open_tree),   SCMP_SYS(perf_event_open),
    SCMP_SYS(personality),   SCMP_SYS(pivot_root),      SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev), SCMP_SYS(ptrace),      SCMP_SYS(quotactl),
    SCMP_SYS(reboot),        SCMP_SYS(request_key),     SCMP_SYS(setns),
    SCMP_SYS(settimeofday),  SCMP_SYS(swapoff),         SCMP_SYS(swapon),
    SCMP_SYS(umount2),       SCMP_SYS(unshare),         SCMP_SYS(userfaultfd),
};

static bool restrict_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool applied = filter != NULL;

    for (size_t i = 0; applied && i < ARRAY_SIZE(never_called); i++)
        applied = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), never_called[i], 0) == 0;
    applied = applied && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return applied;
}

void confine_apply(const char *const *folders, const char *readable)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!restrict_files(folders, readable))
        log_info("this kernel has no landlock: files are protected by the account alone");
    if (!restrict_calls())
        log_info("this kernel refuses seccomp filters: system calls are not restricted");
}
