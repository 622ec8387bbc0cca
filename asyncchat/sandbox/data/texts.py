"""Texts: what the people and the machines of the sandbox say, in several languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

Phrasebook: TypeAlias = Mapping[str, tuple[str, ...]]


def _book(user: tuple[str, ...], agent: tuple[str, ...], bot: tuple[str, ...]) -> Phrasebook:
    return MappingProxyType({"user": user, "agent": agent, "bot": bot})


PHRASEBOOKS: Final[tuple[Phrasebook, ...]] = (
    _book(
        user=(
            "Hello, is anybody there?",
            "My order has not arrived yet 😕",
            "Can I change the delivery address?",
            'It says "payment declined", but my bank says it is fine.',
            "thx!! 🙏🙏",
            "Two things:\n1. the invoice is missing\n2. the box was open",
            "=SUM(1,2) is what I typed, and it broke",
            "ok",
        ),
        agent=(
            "Hello, how can I help you?",
            "Let me look that up for you, one moment please.",
            "I have sent you a new link; it is valid for 24 hours.",
            "Is there anything else that I can do for you?",
        ),
        bot=(
            "Welcome to our chat 👋",
            "Please choose: 1) orders, 2) invoices, 3) something else",
            "Rate us from 1 to 5 ⭐",
        ),
    ),
    _book(
        user=(
            "Halo kak, barangnya masih ada?",
            "Kapan pesanan saya dikirim ya?",
            "Ongkir ke Surabaya berapa?",
            "Terima kasih banyak kak 🥰",
            "Saya mau komplain, barangnya rusak 😡",
            "oke siap",
        ),
        agent=(
            "Halo kak, ada yang bisa dibantu?",
            "Mohon ditunggu sebentar ya kak 🙏",
            "Pesanan kakak sudah dikirim hari ini.",
        ),
        bot=("Selamat datang! Ketik MENU untuk mulai.", "Maaf, saya belum mengerti. Coba lagi ya 🤖"),
    ),
    _book(
        user=(
            "Guten Tag, wo finde ich meine Rechnung?",
            "Das Paket wurde beim Nachbarn abgegeben, aber bei welchem?",
            "Größe 42 passt nicht, ich möchte umtauschen.",
            "Vielen Dank für die schnelle Hilfe! 👍",
        ),
        agent=("Guten Tag, gern helfe ich Ihnen weiter.", "Können Sie mir bitte die Bestellnummer nennen?"),
        bot=("Willkommen! Wählen Sie bitte ein Thema.",),
    ),
    _book(
        user=(
            "¿Cuánto tarda el envío a Bogotá?",
            "¡No puedo entrar en mi cuenta!",
            "Perfecto, muchas gracias 😊",
            "Mañana llamo otra vez.",
        ),
        agent=("¡Hola! ¿En qué puedo ayudarle?", "Ya está solucionado, compruébelo por favor."),
        bot=("Bienvenido 🌞 Escriba 1 para español.",),
    ),
    _book(
        user=("こんにちは、在庫はありますか", "届いた商品が違います😢", "ありがとうございました。", "領収書をください"),
        agent=("お問い合わせありがとうございます。", "確認いたしますので、少々お待ちください。"),
        bot=("メニューから選んでください。",),
    ),
    _book(
        user=("مرحبا، أين طلبي", "هل يمكنني الدفع عند الاستلام", "شكرا جزيلا 🌹"),
        agent=("أهلا بك، كيف أستطيع مساعدتك", "تم إرسال الطلب اليوم"),
        bot=("أهلا وسهلا 👋",),
    ),
    _book(
        user=("สวัสดีค่ะ ส่งของวันไหนคะ", "ขอบคุณมากค่ะ 🙏", "สินค้ายังมีอยู่ไหมครับ"),
        agent=("สวัสดีครับ ยินดีให้บริการครับ", "รอสักครู่นะคะ"),
        bot=("ยินดีต้อนรับ 🎉",),
    ),
    _book(
        user=("नमस्ते, मेरा ऑर्डर कहाँ है?", "क्या आज डिलीवरी होगी?", "धन्यवाद 👨‍👩‍👧"),
        agent=("नमस्ते, मैं आपकी क्या मदद कर सकता हूँ?", "कृपया थोड़ा इंतज़ार करें।"),
        bot=("स्वागत है 🇮🇳",),
    ),
)
"""One per language; each has phrases for user, agent and bot."""

MODEL_NAMES: Final = (
    "Acme Web Chat",
    "Toko Sejahtera 🛍️",
    "Müller & Söhne Kundendienst",
    'Librería "El Ñandú"',
    "さくら旅行デスク",
    "متجر النخيل",
    "Night Desk",
    "Returns, Refunds & Repairs",
)
"""Names of models; a sandbox with more of them numbers the rest."""
