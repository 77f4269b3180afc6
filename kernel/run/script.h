/* SPDX-License-Identifier: BSD-2-Clause */
/* The standard scripts, which exercise the devices that a module registered. */
#ifndef KMOD_SCRIPT_H
#define KMOD_SCRIPT_H

#include "../net/net.h"
#include "../pci/pci.h"

void kmod_script_run(void);
/* A script of the user that is linked into the program replaces the standard ones. */
int kmod_user_script(void) __attribute__((weak));
void kmod_script_net(struct net_device *dev);
void kmod_script_char(void);
void kmod_platform_opened(struct dmamap_device *dma);
void kmod_checker_report(const char *kind, const char *quoted_text, const struct kmod_stack *here);

#endif
