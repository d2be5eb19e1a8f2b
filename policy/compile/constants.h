/* SPDX-License-Identifier: MIT */
/*
 * constants.h - the names a system call list may use instead of numbers.
 *
 * Room:   policy/compile, part of policyc. Values come from the kernel's headers.
 */
#ifndef RF_CONSTANTS_H
#define RF_CONSTANTS_H

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#define C(name) { #name, (uint64_t)(name) }

static const struct {
	const char *name;
	uint64_t    value;
} constants[] = {
	/* TAP */
	C(TUNSETCARRIER),
	/* VFIO container, group, device */
	C(VFIO_GET_API_VERSION), C(VFIO_CHECK_EXTENSION), C(VFIO_SET_IOMMU),
	C(VFIO_GROUP_GET_STATUS), C(VFIO_GROUP_SET_CONTAINER), C(VFIO_GROUP_UNSET_CONTAINER),
	C(VFIO_GROUP_GET_DEVICE_FD), C(VFIO_DEVICE_GET_INFO), C(VFIO_DEVICE_GET_REGION_INFO),
	C(VFIO_DEVICE_GET_IRQ_INFO), C(VFIO_DEVICE_SET_IRQS), C(VFIO_DEVICE_RESET),
	C(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO), C(VFIO_DEVICE_PCI_HOT_RESET),
	C(VFIO_DEVICE_IOEVENTFD), C(VFIO_DEVICE_FEATURE), C(VFIO_IOMMU_GET_INFO),
	C(VFIO_IOMMU_MAP_DMA), C(VFIO_IOMMU_UNMAP_DMA), C(VFIO_IOMMU_ENABLE),
	C(VFIO_IOMMU_DISABLE), C(VFIO_IOMMU_DIRTY_PAGES),
	/* descriptors */
	C(FIONBIO), C(FIONREAD), C(FIOCLEX), C(FIONCLEX),
	C(F_DUPFD), C(F_DUPFD_CLOEXEC), C(F_GETFD), C(F_SETFD), C(F_GETFL), C(F_SETFL),
	C(F_ADD_SEALS), C(F_GET_SEALS), C(F_SEAL_SEAL), C(F_SEAL_SHRINK), C(F_SEAL_GROW),
	C(F_SEAL_WRITE), C(FD_CLOEXEC), C(O_RDONLY), C(O_WRONLY), C(O_RDWR), C(O_NONBLOCK),
	C(O_CLOEXEC), C(O_APPEND), C(AT_EMPTY_PATH), C(AT_FDCWD), C(SEEK_SET), C(SEEK_CUR),
	C(SEEK_END), C(EFD_CLOEXEC), C(EFD_NONBLOCK), C(MFD_CLOEXEC), C(MFD_ALLOW_SEALING),
	C(EPOLL_CTL_ADD), C(EPOLL_CTL_MOD), C(EPOLL_CTL_DEL), C(EPOLL_CLOEXEC),
	C(TFD_CLOEXEC), C(TFD_NONBLOCK), C(TFD_TIMER_ABSTIME), C(SFD_CLOEXEC), C(SFD_NONBLOCK),
	/* memory */
	C(PROT_NONE), C(PROT_READ), C(PROT_WRITE), C(PROT_EXEC), C(MAP_SHARED), C(MAP_PRIVATE),
	C(MAP_ANONYMOUS), C(MAP_FIXED), C(MAP_POPULATE), C(MAP_NORESERVE), C(MADV_DONTNEED),
	C(MADV_FREE), C(MADV_HUGEPAGE), C(MCL_CURRENT), C(MCL_FUTURE), C(MREMAP_MAYMOVE),
	/* sockets */
	C(AF_UNIX), C(AF_INET), C(AF_INET6), C(AF_NETLINK), C(SOCK_STREAM), C(SOCK_DGRAM),
	C(SOCK_SEQPACKET), C(SOCK_CLOEXEC), C(SOCK_NONBLOCK), C(SOL_SOCKET), C(SO_PEERCRED),
	C(SO_SNDBUF), C(SO_RCVBUF), C(SO_REUSEADDR), C(SO_LINGER), C(SO_ERROR), C(SHUT_RD), C(SHUT_WR),
	C(SHUT_RDWR), C(MSG_NOSIGNAL), C(MSG_DONTWAIT), C(MSG_CMSG_CLOEXEC), C(MSG_WAITALL),
	/* processes and time */
	C(SIGKILL), C(SIGTERM), C(SIGCHLD), C(SIG_BLOCK), C(SIG_UNBLOCK), C(SIG_SETMASK),
	C(P_PID), C(P_PIDFD), C(WEXITED), C(WNOHANG), C(CLONE_VM), C(CLONE_VFORK),
	C(PR_SET_DUMPABLE), C(PR_SET_NO_NEW_PRIVS), C(PR_GET_NO_NEW_PRIVS), C(PR_SET_NAME),
	C(PR_SET_PDEATHSIG), C(PR_SET_SECCOMP), C(ARCH_SET_FS), C(PTRACE_SEIZE), C(PTRACE_CONT),
	C(PTRACE_GETREGS), C(PTRACE_O_TRACEEXIT), C(FUTEX_WAIT), C(FUTEX_WAKE),
	C(FUTEX_PRIVATE_FLAG), C(CLOCK_REALTIME), C(CLOCK_MONOTONIC), C(TIMER_ABSTIME),
	C(RLIMIT_CORE), C(RLIMIT_MEMLOCK), C(RLIMIT_NOFILE), C(RLIMIT_NPROC), C(RLIMIT_FSIZE),
};

#undef C

#endif
