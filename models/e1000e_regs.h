/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, descriptors and EEPROM words of the Intel 82574L that the model implements, with the
 * names of the published datasheet (sections "Programming Interface" and "Inline Functions").
 */
#ifndef MODELS_E1000E_REGS_H
#define MODELS_E1000E_REGS_H

#include "util.h"

#define E1000E_BAR_BYTES 0x20000u
#define E1000E_WORDS	 (0x6000u / 4) /* no register lies above; the rest of the BAR reads as 0 */

enum {
	REG_CTRL = 0x0000,
	REG_CTRL_DUP = 0x0004,
	REG_STATUS = 0x0008,
	REG_EEC = 0x0010,
	REG_EERD = 0x0014,
	REG_CTRL_EXT = 0x0018,
	REG_MDIC = 0x0020,
	REG_FCAL = 0x0028,
	REG_FCT = 0x0030,
	REG_VET = 0x0038,
	REG_ICR = 0x00c0,
	REG_ITR = 0x00c4,
	REG_ICS = 0x00c8,
	REG_IMS = 0x00d0,
	REG_IMC = 0x00d8,
	REG_EIAC = 0x00dc,
	REG_IAM = 0x00e0,
	REG_IVAR = 0x00e4,
	REG_EITR = 0x00e8, /* five of them */
	REG_RCTL = 0x0100,
	REG_FCTTV = 0x0170,
	REG_TCTL = 0x0400,
	REG_TIPG = 0x0410,
	REG_LEDCTL = 0x0e00,
	REG_EXTCNF = 0x0f00,
	REG_PBA = 0x1000,
	REG_FCRTL = 0x2160,
	REG_FCRTH = 0x2168,
	REG_RDBAL = 0x2800,
	REG_RDBAH = 0x2804,
	REG_RDLEN = 0x2808,
	REG_RDH = 0x2810,
	REG_RDT = 0x2818,
	REG_RDTR = 0x2820,
	REG_RXDCTL = 0x2828,
	REG_RADV = 0x282c,
	REG_RSRPD = 0x2c00,
	REG_TDBAL = 0x3800,
	REG_TDBAH = 0x3804,
	REG_TDLEN = 0x3808,
	REG_TDH = 0x3810,
	REG_TDT = 0x3818,
	REG_TIDV = 0x3820,
	REG_TXDCTL = 0x3828,
	REG_TADV = 0x382c,
	REG_TARC = 0x3840,
	REG_STATS = 0x4000,
	REG_STATS_END = 0x4128,
	REG_RXCSUM = 0x5000,
	REG_RFCTL = 0x5008,
	REG_MTA = 0x5200, /* 128 */
	REG_RAL = 0x5400, /* 16 pairs */
	REG_VFTA = 0x5600,
	REG_WUC = 0x5800,
	REG_MRQC = 0x5818,
	REG_MANC = 0x5820,
	REG_GCR = 0x5b00,
	REG_SWSM = 0x5b50,
	REG_FWSM = 0x5b54,
};

#define CTRL_FD		  (1u << 0)
#define CTRL_MASTER_OFF	  (1u << 2) /* "GIO master disable" */
#define CTRL_SLU	  (1u << 6) /* set link up */
#define CTRL_SPEED_1000	  (2u << 8)
#define CTRL_RST	  (1u << 26)
#define CTRL_RFCE	  (1u << 27) /* obeys PAUSE */
#define CTRL_TFCE	  (1u << 28) /* sends PAUSE */
#define CTRL_PHY_RST	  (1u << 31)
#define STATUS_FD	  (1u << 0)
#define STATUS_LU	  (1u << 1)
#define STATUS_SPEED_1000 (2u << 6)
#define STATUS_MASTER	  (1u << 19)
#define EEC_PRESENT	  (1u << 8)
#define EEC_READ_DONE	  (1u << 9)
#define EERD_START	  (1u << 0)
#define EERD_DONE	  (1u << 1)
#define CTRL_EXT_EIAME	  (1u << 24)
#define CTRL_EXT_IAME	  (1u << 27)
#define MDIC_OP_WRITE	  (1u << 26)
#define MDIC_OP_READ	  (2u << 26)
#define MDIC_READY	  (1u << 28)

#define ICR_TXDW	 (1u << 0)
#define ICR_TXQE	 (1u << 1)
#define ICR_LSC		 (1u << 2)
#define ICR_RXDMT0	 (1u << 4)
#define ICR_RXO		 (1u << 6)
#define ICR_RXT0	 (1u << 7)
#define ICR_MDAC	 (1u << 9)
#define ICR_RXQ0	 (1u << 20)
#define ICR_RXQ1	 (1u << 21)
#define ICR_TXQ0	 (1u << 22)
#define ICR_TXQ1	 (1u << 23)
#define ICR_OTHER	 (1u << 24)
#define ICR_ASSERTED	 (1u << 31)
#define ICR_CAUSES	 0x01f782d7u /* all causes that are defined */
#define ICR_OTHER_CAUSES (ICR_LSC | ICR_RXO | ICR_MDAC)

#define RCTL_EN	       (1u << 1)
#define RCTL_SBP       (1u << 2)
#define RCTL_UPE       (1u << 3)
#define RCTL_MPE       (1u << 4)
#define RCTL_LPE       (1u << 5)
#define RCTL_RDMTS(r)  ((r) >> 8 & 3)
#define RCTL_MO(r)     ((r) >> 12 & 3)
#define RCTL_BAM       (1u << 15)
#define RCTL_BSIZE(r)  ((r) >> 16 & 3)
#define RCTL_BSEX      (1u << 25)
#define RCTL_SECRC     (1u << 26)
#define RCTL_FLXBUF(r) ((r) >> 27 & 15)
#define TCTL_EN	       (1u << 1)
#define RFCTL_EXSTEN   (1u << 15)
#define RAH_AV	       (1u << 31)

#define RING_BASE_MASK 0xfffffff0u
#define RING_LEN_MASK  0x000fff80u

/* A receive descriptor: two words of 8 bytes, written back in the legacy or the extended form. */
#define RXD_DD	       0x01u
#define RXD_EOP	       0x02u
#define RXD_IXSM       0x04u
#define RXD_ERR_CE     0x01u /* in the errors byte */
#define RXD_ERR_RXE    0x80u
#define RXD_EXT_ERRORS 24 /* position of that byte in the extended status */

/* The second word of a legacy transmit descriptor: length, CSO, CMD, STA … */
#define TXD_EOP	    (1u << 24)
#define TXD_IFCS    (1u << 25)
#define TXD_RS	    (1u << 27)
#define TXD_DEXT    (1u << 29)
#define TXD_TSE	    (1u << 26) /* only with DEXT */
#define TXD_DTYP(c) ((c) >> 20 & 15)
#define TXD_DD	    (1ull << 32)

/*
 * Statistics, in the order of their registers from 0x4000 on. A read clears a counter. An octet
 * counter has 64 bits in two registers, and a read of the upper one clears both.
 */
enum e1000e_stat {
	ST_CRCERRS,
	ST_RXERRC,
	ST_MPC,
	ST_ECOL,
	ST_TNCRS,
	ST_XONRXC,
	ST_XONTXC,
	ST_XOFFRXC,
	ST_XOFFTXC,
	ST_PRC64, /* six counters by frame size */
	ST_PRC1522 = ST_PRC64 + 5,
	ST_GPRC,
	ST_BPRC,
	ST_MPRC,
	ST_GPTC,
	ST_GORC, /* octets, 64 bits */
	ST_GOTC,
	ST_RNBC,
	ST_RUC,
	ST_ROC,
	ST_TOR,
	ST_TOT,
	ST_TPR,
	ST_TPT,
	ST_PTC64,
	ST_PTC1522 = ST_PTC64 + 5,
	ST_MPTC,
	ST_BPTC,
	ST_TSCTFC,
	ST_IAC,
	ST_COUNT,
};

_Static_assert(ST_COUNT <= 64, "a bit for each says which have changed");

#endif
