"""Arabic for whole sentences of ours: refusals, timelines, incidents. Each key is the template that made the English.

The places keep their names, which say what stands there (`gateway.web.ops.language`); a count brings its noun with it.
Commands stand between isolates, so that they read from left to right.
"""

TEXTS: dict[str, str] = {
    # --- refusals: decisions about an order
    "order {order} not found": "الطلب {order} غير موجود",
    "order {order} has no outcome that is kept as a conflict": "ليس للطلب {order} نتيجة محفوظة بوصفها تناقضاً",
    "order {order} was placed by another system, which has not sent it and may still do so whatever stands here; reject"
    " it there, and it will not be sent": (
        "الطلب {order} أنشأه نظام آخر لم يُرسله بعد، وقد يُرسله أيّاً كان المسجَّل هنا؛ ارفضه هناك فلا يُرسَل"
    ),
    "order {order} was placed by another system, which sends it itself": (
        "الطلب {order} أنشأه نظام آخر، وهو الذي يُرسله بنفسه"
    ),
    "{status} with attention {kind}": "{status} ({kind})",
    "order {order} changed in the same moment and is {status} now; nothing was done: look at it and decide again": (
        "تغيّر الطلب {order} في اللحظة نفسها، وحالته الآن: {status}. لم يُنفَّذ شيء؛ راجعه ثم قرّر من جديد"
    ),
    "order {order} changed by {by} in the same moment and is {status} now; nothing was done: look at it and decide"
    " again": (
        "غيّر {by} الطلب {order} في اللحظة نفسها، وحالته الآن: {status}. لم يُنفَّذ شيء؛ راجعه ثم قرّر من جديد"
    ),
    "order {order} is {status} and {provider} may have it: sending it again may buy it twice; look for it there first,"
    " then allow it (--may-buy-twice, or mayBuyTwice: true)": (
        "حالة الطلب {order}: {status}، وربما كان لدى {provider}، فقد تؤدي إعادة إرساله إلى شرائه مرتين؛ ابحث عنه هناك"
        " أولاً، ثم وافق على ذلك بتحديد الخيار «لا مانع من شرائه مرتين»"
    ),
    "order {order} may cost {amount} at most, and no provider that it may go to is known to cost so little; see:"
    " gateway routes list": (
        "الحدّ الأعلى لتكلفة الطلب {order} هو {amount}، ولا يُعرف مزوّد متاح له بهذه التكلفة؛ انظر:"
        " \u2066gateway routes list\u2069"
    ),
    "no route leads from product {product}, package {package} to {provider}; add one: gateway routes add --help": (
        "لا مسار من المنتج {product}، الباقة {package} إلى {provider}؛ أضف مساراً: \u2066gateway routes add --help\u2069"
    ),
    "no route leads from product {product}, package {package} to a provider": (
        "لا مسار من المنتج {product}، الباقة {package} إلى أيّ مزوّد"
    ),
    "a person completes it: gateway orders complete {order}": (
        "يُكمَل يدوياً: أكمِله بالرموز من صفحته ({order})"
    ),
    "its provider {provider} is not configured here; see: gateway providers list": (
        "مزوّده {provider} غير مُعرَّف هنا؛ انظر: \u2066gateway providers list\u2069"
    ),
    "asking its provider may buy it again, and it is final or too old for that": (
        "الاستعلام لدى مزوّده قد يشتريه من جديد، وقد انتهى الطلب أو مضى عليه وقت طويل"
    ),
    "its provider cannot be asked for it; look for it in the provider's panel": (
        "لا يمكن الاستعلام عنه لدى مزوّده؛ ابحث عنه في لوحة المزوّد"
    ),
    "the order was never sent, so its provider cannot be asked": "لم يُرسَل الطلب قط، فلا يُستعلَم عنه لدى مزوّده",
    "say why, in words; up to {number} characters": "اكتب السبب بالكلمات، بما لا يزيد على {number} حرف",
    # codes as a person writes them
    "line {line} of the codes: {error}": "السطر {line} من الرموز: {error}",
    "a bare code has no commas, semicolons or tabs; write it as a JSON object": (
        "لا يحتوي الرمز المجرّد على فواصل أو فواصل منقوطة أو علامات جدولة؛ اكتبه كائناً بصيغة JSON"
    ),
    "this is not a code": "هذا ليس رمزاً",
    "this is not JSON": "هذا ليس بصيغة JSON",
    "this is JSON, but not an object": "هذا بصيغة JSON لكنه ليس كائناً",
    "an object takes the fields {names} only": "لا يقبل الكائن إلا الحقول: {names}",
    "the object has no code that can be read; write code, pin and serial as strings": (
        "ليس في الكائن رمز يمكن قراءته؛ اكتب \u2066code\u2069 و\u2066pin\u2069 و\u2066serial\u2069 نصوصاً"
    ),
    # how codes came
    "delivered": "سُلّم",
    "delivered by {provider} under {referans}, before the order was sent again": (
        "سلّمه {provider} بالمرجع {referans} قبل إعادة إرسال الطلب"
    ),
    "kept as a conflict": "محفوظ بوصفه تناقضاً",
    # sealed values
    "a sealed value was moved from another row": "قيمة مختومة نُقلت من سجلّ آخر",
    "a sealed value is damaged: no key can open it": "قيمة مختومة تالفة لا يفتحها أيّ مفتاح",
    "a sealed value was found, but ENCRYPTION_KEYS is not set": "وُجدت قيمة مختومة، لكن ENCRYPTION_KEYS غير مضبوط",
    "no key of ENCRYPTION_KEYS opens a sealed value": "لا يفتح أيّ مفتاح من ENCRYPTION_KEYS قيمة مختومة",
    "restore this row from a backup, and find out what has changed it": (
        "استعِد هذا السجلّ من نسخة احتياطية، وابحث عمّا غيّره"
    ),
    "set ENCRYPTION_KEYS to the keys that sealed it": "اضبط ENCRYPTION_KEYS على المفاتيح التي خُتمت بها",
    "the credentials are damaged: they are not JSON": "بيانات الدخول تالفة: ليست بصيغة JSON",
    "{error}; for the operator: {cure}": "{error}؛ {cure}",
    "{callbacks} callbacks do not open; see: gateway callbacks list --result unmatched": (
        "ردود مختومة لا تُفتح: {callbacks}؛ انظر: \u2066gateway callbacks list --result unmatched\u2069"
    ),
    "expires_at must be a date or a time such as 2027-12-31": (
        "يجب أن يكون \u2066expires_at\u2069 تاريخاً أو وقتاً مثل \u20662027-12-31\u2069"
    ),
    # actions on many
    "the database refuses it; the log says why": "ترفضه قاعدة البيانات، والسبب في سجلّ البوابة",
    "the database refuses what it says; the log says why": "ترفض قاعدة البيانات مضمونه، والسبب في سجلّ البوابة",
    "refused": "رُفض",
    "{by} may not do this any more; somebody who may can go on with it": (
        "لم تعد لـ{by} صلاحية هذا الإجراء؛ ويمكن لمن له الصلاحية أن يتابعه"
    ),
    " (one of {orders})": " (إجراء جماعي: {orders})",
    # replaying callbacks
    "the provider {provider} was removed": "أُزيل المزوّد {provider}",
    "this version does not have the adapter {protocol}": "ليس في هذا الإصدار البروتوكول {protocol}",
    "still invalid: {error}": "ما زالت قراءته متعذّرة: {error}",
    "already settled, nothing changed": "طُبّق من قبل، ولم يتغيّر شيء",
    "would be settled if its order is known now": "يُطبَّق إن كان طلبه معروفاً الآن",
    "no order of this provider has this reference yet": "لا طلب لهذا المزوّد بهذا المرجع حتى الآن",
    "order {order}: {before} → {status}": "الطلب {order}: {before} ← {status}",
    "read": "قُرئ",
    "read; {error}": "قُرئ؛ {error}",
    "{note}; the others in it: {results}": "{note}؛ وبقية ما فيه: {results}",
    # statements of providers
    "the file is larger than {size} MiB": "الملف أكبر من {size} ميغابايت",
    "the file has more than {number} lines": "في الملف أكثر من {number} سطر",
    "the file is not valid CSV: {words}": "الملف ليس CSV صحيحاً: {words}",
    "the file is not text in UTF-16, as its first bytes say": "ليس الملف نصاً بترميز UTF-16 كما تدلّ بدايته",
    "the file is too large once it is unpacked; save it as CSV": "الملف كبير جداً بعد فكّ ضغطه؛ احفظه بصيغة CSV",
    "the file is not a valid XLSX file ({name})": "الملف ليس XLSX صحيحاً ({name})",
    "the file is empty": "الملف فارغ",
    "no column is called “{name}”; the columns are: {names}": "لا عمود باسم «{name}»؛ الأعمدة هي: {names}",
    "no column says which order a line is about: name the one with our reference (referans) or with the provider's own"
    " number, or those of player, amount and time; the columns are: {names}": (
        "لا عمود يبيّن طلب كل سطر: حدّد عمود مرجعنا (referans) أو عمود الرقم لدى المزوّد، أو أعمدة اللاعب والمبلغ والوقت؛"
        " الأعمدة هي: {names}"
    ),
    "the amount {amount} may be read in two ways: say whether , or . is the decimal sign": (
        "يمكن أن يُقرأ المبلغ {amount} على وجهين؛ حدّد الفاصلة العشرية: \u2066,\u2069 أو \u2066.\u2069"
    ),
    "this file is whole already": "هذا الملف مكتمل من قبل",
    "a part of the file is missing; upload it once more": "ينقص جزء من الملف؛ ارفعه من جديد",
    # credentials
    "the protocol '{protocol}' is not known to this version": "البروتوكول {protocol} غير معروف في هذا الإصدار",
    "give a {name}, or have one made, not both": "أدخل {name} أو اطلب إنشاءه، لا الأمرين معاً",
    "no credential was given, so nothing was changed": "لم تُدخَل أيّ بيانات، فلم يتغيّر شيء",
    "those that were stored cannot be read, so all are needed; missing: {names}": (
        "تعذّرت قراءة البيانات المحفوظة، فلا بدّ من إدخالها كلها؛ الناقص: {names}"
    ),
    "a credential has up to {number} characters": "لا يزيد طول القيمة الواحدة على {number} حرف",
    "{name} must not contain control characters": "يجب ألّا يحتوي {name} على محارف تحكّم",
    "{name} must not contain colons or control characters": "يجب ألّا يحتوي {name} على نقطتين رأسيتين أو محارف تحكّم",
    "{name} takes `whsec_` and base64 after it": (
        "يبدأ {name} بـ\u2066whsec_\u2069 وتليه قيمة بترميز \u2066base64\u2069"
    ),
    "{name} takes a token of at least {number} letters, digits, - and _": (
        "يتألّف {name} من {number} محرفاً على الأقل: أحرف لاتينية وأرقام و\u2066-\u2069 و\u2066_\u2069"
    ),
    # --- refusals: pages
    "the form cannot be read": "تعذّرت قراءة النموذج",
    "the form contains an invalid character (NUL or a lone surrogate)": "في النموذج محرف غير صالح",
    "the address contains an invalid character (NUL or a lone surrogate)": "في العنوان محرف غير صالح",
    "the address or the form cannot be read": "تعذّرت قراءة العنوان أو النموذج",
    "no page has this address": "لا صفحة بهذا العنوان",
    "this page takes no request of this kind": "لا تقبل هذه الصفحة طلباً من هذا النوع",
    "internal error; the log has the details": "خلل داخلي؛ التفاصيل في سجلّ البوابة",
    "internal error; the log has the details under request {request}": (
        "خلل داخلي؛ التفاصيل في سجلّ البوابة برقم {request}"
    ),
    "this cannot be done at this moment; try again in a few seconds": "لا يمكن ذلك الآن؛ أعِد المحاولة بعد ثوانٍ",
    "The database does not answer. Load the page again in a few seconds, and look whether it was done.": (
        "قاعدة البيانات لا تستجيب. أعِد تحميل الصفحة بعد ثوانٍ وتحقّق هل نُفّذ الإجراء."
    ),
    "This list takes too long. Narrow it with since and until, or try again.": (
        "تستغرق هذه القائمة وقتاً طويلاً. ضيّقها بتحديد «منذ» و«حتى»، أو أعِد المحاولة."
    ),
    "send a form: Content-Type: application/x-www-form-urlencoded": (
        "أرسل نموذجاً: \u2066Content-Type: application/x-www-form-urlencoded\u2069"
    ),
    "this form came from another site": "جاء هذا النموذج من موقع آخر",
    "this form is not of your sign-in any more; go back, load the page again, and send it once more": (
        "لم يعد هذا النموذج تابعاً لجلستك؛ ارجع وأعِد تحميل الصفحة ثم أرسله من جديد"
    ),
    "this is for the role {least}; you are signed in as {role}": "هذا متاح لمن صفته «{least}»؛ وصفتك الآن «{role}»",
    "this key does not have the scope {scope}": "ليس لهذا المفتاح الصلاحية {scope}",
    "the body did not arrive in time": "لم تصل البيانات في الوقت المحدّد",
    "the form did not arrive in time": "لم يصل النموذج في الوقت المحدّد",
    "the body did not arrive whole": "لم تصل البيانات كاملة",
    "the body ended before its Content-Length": "انتهت البيانات قبل طولها المذكور في \u2066Content-Length\u2069",
    "the chunked body is malformed": "صيغة البيانات المجزّأة غير سليمة",
    "the body is larger than {size} bytes": "البيانات أكبر من {size} بايت",
    "this key has made its {rate} requests": "استنفد هذا المفتاح عدد الطلبات المسموح به ({rate})",
    "too many wrong keys or signatures came from your address": (
        "تكرّرت من عنوانك محاولات دخول أو مفاتيح أو تواقيع غير صحيحة"
    ),
    "{error}; try again in {seconds} s": "{error}؛ أعِد المحاولة بعد {seconds}",
    "too many are signing in at this moment; try again in a few seconds": (
        "عدد من يسجّلون الدخول الآن كبير؛ أعِد المحاولة بعد ثوانٍ"
    ),
    "others are exporting just now; try again when they are done": "يجري الآن تصدير آخر؛ أعِد المحاولة بعد انتهائه",
    "the filter {filter} cannot be read": "تعذّرت قراءة عامل التصفية «{filter}»",
    "choose which orders are meant: filter the list first": "حدّد الطلبات المقصودة: صفِّ القائمة أولاً",
    "so many cannot be counted in a moment; narrow them with since and until, and take turns": (
        "العدد أكبر من أن يُعدّ في لحظات؛ ضيّقه بتحديد «منذ» و«حتى» ونفّذ الإجراء على دفعات"
    ),
    "so many days cannot be read in a moment; choose fewer": "الأيام أكثر من أن تُقرأ في لحظات؛ اختر عدداً أقل",
    "the days cannot be read; write them as 2026-05-14": "تعذّرت قراءة الأيام؛ اكتبها هكذا: \u20662026-05-14\u2069",
    "a report has up to {days} days": "لا يزيد التقرير على {days}",
    "no order has this id; the search finds it by anything else that you know of it": (
        "لا طلب بهذا المعرّف؛ ويجده البحث بأيّ شيء آخر تعرفه عنه"
    ),
    "no bulk action has this number": "لا إجراء جماعياً بهذا الرقم",
    "no callback has this number; it may be past its retention": "لا ردّ بهذا الرقم؛ ربما انتهت مدة حفظه",
    "no notification has this number; it may be past its retention": "لا إشعار بهذا الرقم؛ ربما انتهت مدة حفظه",
    "no provider has this id": "لا مزوّد بهذا المعرّف",
    "no statement has this number": "لا كشف بهذا الرقم",
    # --- timelines: placing and choosing
    "placed with key {name}": "أُنشئ بالمفتاح {name}",
    "placed with key {name}; {provider}: {why}": "أُنشئ بالمفتاح {name}؛ {provider}: {why}",
    "cheapest at {amount} of {count}": "الأرخص بسعر {amount} من أصل {count}",
    "cheapest, but no cost is known of {count}": "الأرخص، لكن لا تُعرف تكلفة أيّ من المسارات وعددها {count}",
    "share {part} of {whole}": "حصّته {part} من {whole}",
    "{note}; sending to {next}": "{note}؛ يُرسَل إلى {next}",
    "{note}; sending to {next} ({why})": "{note}؛ يُرسَل إلى {next} ({why})",
    "{note}; routed to {next}": "{note}؛ وُجّه إلى {next}",
    "{note}; routed to {next} ({why})": "{note}؛ وُجّه إلى {next} ({why})",
    # sending
    "claimed; sending to {provider}": "يُرسَل الآن إلى {provider}",
    "accepted by {provider}": "قبله {provider}",
    "accepted by {provider}, cost {amount}": "قبله {provider}، والتكلفة {amount}",
    "delivered by {provider}": "سلّمه {provider}",
    "delivered by {provider}, cost {amount}": "سلّمه {provider}، والتكلفة {amount}",
    "waits for a person to complete it": "ينتظر من يُكمِله يدوياً",
    "{provider} refused: {error}": "رفضه {provider}: {error}",
    "{provider} refused our account: {error}": "رفض {provider} حسابنا: {error}",
    "refused our account: {error}": "رفض حسابنا: {error}",
    "{provider} was not reached: {error}": "تعذّر الوصول إلى {provider}: {error}",
    "{provider} is paused by {by}: {words}": "{provider} موقوف مؤقتاً من قِبل {by}: {words}",
    "{provider} is down: {error}": "{provider} متوقّف: {error}",
    "{provider} cannot be used": "لا يمكن استعمال {provider}",
    "{provider} has no balance left": "نفد رصيدنا لدى {provider}",
    "{provider} does not take it: {error}": "لا يأخذه {provider}: {error}",
    "{provider} does not take it now: {error}": "لا يأخذه {provider} الآن: {error}",
    "{provider} had taken the order, which stays as it is; then it refused: {error}": (
        "كان {provider} قد أخذ الطلب، فيبقى كما هو؛ ثم رفضه: {error}"
    ),
    "{provider} had taken the order, which stays as it is; then it refused our account: {error}": (
        "كان {provider} قد أخذ الطلب، فيبقى كما هو؛ ثم رفض حسابنا: {error}"
    ),
    "found after it was refused": "وُجد لدى المزوّد بعد رفضه",
    "{provider}: not reached, will send again: {error}": "تعذّر الوصول إلى {provider}، وسيُعاد الإرسال: {error}",
    "{provider}: no clear answer to the send, will ask: {error}": (
        "لا جواب واضحاً من {provider} عن الإرسال، وسيُستعلَم لديه: {error}"
    ),
    "{provider}: not sent because of a fault on our side, will send again: {error}": (
        "لم يُرسَل إلى {provider} لخلل عندنا، وسيُعاد الإرسال: {error}"
    ),
    "{provider}: does not take it now, will send again: {error}": "لا يأخذه {provider} الآن، وسيُعاد الإرسال: {error}",
    "{provider}: no clear answer to the send, and it cannot be asked: {error}": (
        "لا جواب واضحاً من {provider} عن الإرسال، ولا يمكن الاستعلام لديه: {error}"
    ),
    "{provider} may have it, and cannot be asked for it: a person is needed": (
        "ربما كان الطلب لدى {provider}، ولا يمكن الاستعلام عنه لديه: يحتاج إلى تدخّل"
    ),
    "the order is not at {provider}; sending it again": "الطلب ليس لدى {provider}؛ يُعاد إرساله",
    # checking
    "checked ({number}): {status}": "الاستعلام {number}: {status}",
    "checked ({number}): {status}, {error}": "الاستعلام {number}: {status}، {error}",
    "checked ({number}), nothing learned: {error}": "الاستعلام {number} لم يأتِ بجديد: {error}",
    "checked ({number}), not known there: {error}": "الاستعلام {number}: الطلب غير معروف لدى المزوّد: {error}",
    "asked for its code, not known there: {error}": "استعلام عن رمزه: الطلب غير معروف لدى المزوّد: {error}",
    "checked ({number}), nothing learned, {provider} refused our account: {error}": (
        "الاستعلام {number} لم يأتِ بجديد، ورفض {provider} حسابنا: {error}"
    ),
    "asked for its code: {status}": "استعلام عن رمزه: {status}",
    "asked for its code: {status}, {error}": "استعلام عن رمزه: {status}، {error}",
    "asked for its code, nothing learned: {error}": "استعلام عن رمزه لم يأتِ بجديد: {error}",
    "asked for its code, nothing learned, {provider} refused our account: {error}": (
        "استعلام عن رمزه لم يأتِ بجديد، ورفض {provider} حسابنا: {error}"
    ),
    "not checked, nothing learned: {error}": "لم يُستعلَم عنه: {error}",
    "not checked: the provider {provider} cannot be used; see: gateway doctor": (
        "لم يُستعلَم عنه: لا يمكن استعمال المزوّد {provider}؛ انظر: \u2066gateway doctor\u2069"
    ),
    "completed without its code, and not asked for it: asking {provider} may buy again": (
        "اكتمل بلا رمزه، ولم يُستعلَم عنه: الاستعلام لدى {provider} قد يشتري من جديد"
    ),
    "completed, but asking has not brought its code; a person is needed": (
        "اكتمل، لكن الاستعلام لم يأتِ برمزه؛ يحتاج إلى تدخّل"
    ),
    "followed from now on at {provider}": "يُتابَع من الآن لدى {provider}",
    "{provider} has news of it, and is asked": "لدى {provider} جديد عنه، ويُستعلَم لديه",
    # time that is up
    "timeout: {note}": "انتهت المهلة: {note}",
    "no outcome within {seconds} s of sending": "لا نتيجة خلال {seconds} من الإرسال",
    "no outcome within {seconds} s of sending, {why}": "لا نتيجة خلال {seconds} من الإرسال، {why}",
    "one last check included": "مع استعلام أخير",
    "its provider was not asked, as asking again may buy it again": (
        "ولم يُستعلَم لدى مزوّده لأن الاستعلام قد يشتريه من جديد"
    ),
    "its provider was not asked, as it cannot be asked any more": "ولم يُستعلَم لدى مزوّده إذ لم يعد ذلك ممكناً",
    "its provider {provider} could not be asked": "وتعذّر الاستعلام لدى مزوّده {provider}",
    "not sent within {seconds} s: {note}": "لم يُرسَل خلال {seconds}: {note}",
    "cancelled before it was sent": "أُلغي قبل إرساله",
    "cancelled with key {name}": "أُلغي بالمفتاح {name}",
    # what came against what is known
    "{result}: {status}": "{result}: {status}",
    "{result}: {status}, {note}": "{result}: {status}، {note}",
    "{result}: {status} at {provider}, which had the order before": (
        "{result}: {status} لدى {provider} الذي كان الطلب عنده من قبل"
    ),
    "{result}: {status} at {provider}, which had the order before: {note}": (
        "{result}: {status} لدى {provider} الذي كان الطلب عنده من قبل: {note}"
    ),
    "{note} (late: it had timed out)": "{note} (متأخّر: كانت مهلته قد انتهت)",
    "{note}; another system placed it, so it stays as it is": "{note}؛ أنشأه نظام آخر فيبقى كما هو",
    # what people did
    "accepted the conflicting outcome ({status}): {reason}": "قُبلت النتيجة المناقضة ({status}): {reason}",
    "completed with 1 code by a person: {reason}": "أُكمل يدوياً (رمز واحد): {reason}",
    "completed with {codes} codes by a person: {reason}": "أُكمل يدوياً ({codes}): {reason}",
    "completed by a person: {reason}": "أُكمل يدوياً: {reason}",
    "failed by a person: {reason}": "سُجّل فاشلاً يدوياً: {reason}",
    "reversed by a person: {reason}": "سُجّل مُسترجَعاً يدوياً: {reason}",
    "dismissed: {reason}": "أُغلق التنبيه: {reason}",
    "note: {reason}": "ملاحظة: {reason}",
    "check requested: {reason}": "طُلب استعلام: {reason}",
    "check requested with key {name}": "طُلب استعلام بالمفتاح {name}",
    "a check was requested on the command line": "طُلب استعلام من سطر الأوامر",
    "sent now, as it waits already: {reason}": "يُرسَل الآن، إذ كان ينتظر الإرسال: {reason}",
    "to be sent again to {next}: {reason}": "يُعاد إرساله إلى {next}: {reason}",
    "to be sent again to {next} ({why}): {reason}": "يُعاد إرساله إلى {next} ({why}): {reason}",
    "to be sent again to {next} under the new reference {referans}: {reason}": (
        "يُعاد إرساله إلى {next} بالمرجع الجديد {referans}: {reason}"
    ),
    "to be sent again to {next} ({why}) under the new reference {referans}: {reason}": (
        "يُعاد إرساله إلى {next} ({why}) بالمرجع الجديد {referans}: {reason}"
    ),
    "callback {number} replayed: {reason}": "أُعيدت معالجة الردّ {number}: {reason}",
    "redelivered: {reason}": "أُعيد إرسال الإشعار: {reason}",
    "codes read on the ops page": "قُرئت الرموز في صفحة الإدارة",
    "codes read on the command line": "قُرئت الرموز من سطر الأوامر",
    "codes read with key {name}": "قُرئت الرموز بالمفتاح {name}",
    "cost {former} → {amount}, as statement {number} says: {reason}": (
        "التكلفة {former} ← {amount} كما في الكشف {number}: {reason}"
    ),
    "cost unknown → {amount}, as statement {number} says: {reason}": (
        "التكلفة {amount} كما في الكشف {number}، ولم تكن معروفة: {reason}"
    ),
    # telling the storefront
    "{type} told to {receiver}": "أُبلغ {receiver} بالإشعار {type}",
    "{type} told to {receiver} at try {number}": "أُبلغ {receiver} بالإشعار {type} في المحاولة {number}",
    "{type} could not be told to {receiver}: {error}; no more tries after {number}": (
        "تعذّر إبلاغ {receiver} بالإشعار {type}: {error}؛ لا محاولات أخرى بعد المحاولة {number}"
    ),
    "{type} is not told: {receiver} has failed for {hours} h and is disabled": (
        "لا يُبلَّغ بالإشعار {type}: يفشل {receiver} منذ {hours}، وقد أُوقف"
    ),
    "{type} is delivered again": "يُعاد إرسال الإشعار {type}",
    # --- incidents
    "1 order needs a person: {kind}. The oldest since {since}.": "طلب واحد يحتاج إلى تدخّل: {kind}. الأقدم منذ {since}.",
    "{orders} orders need a person: {kind}. The oldest since {since}.": (
        "تحتاج إلى تدخّل: {orders}. السبب: {kind}. الأقدم منذ {since}."
    ),
    "The provider {provider} is down.": "المزوّد {provider} متوقّف.",
    "The provider {provider} is down: {error}.": "المزوّد {provider} متوقّف: {error}.",
    "The gateway has paused the provider {provider}: {error}.": "أوقفت البوابة المزوّد {provider} مؤقتاً: {error}.",
    "The provider {provider} has no balance left.": "نفد رصيدنا لدى المزوّد {provider}.",
    "The balance at {provider} is low: {amount}.": "الرصيد لدى {provider} منخفض: {amount}.",
    "The balance at {provider} does not add up: {many}.": "الرصيد لدى {provider} لا يتطابق: {many}.",
    "1 gap": "فرق واحد",
    "{gaps} gaps": "{gaps}",
    "{note} The last: {amount}.": "{note} آخرها: {amount}.",
    "No callback of {provider} told of the last {number} deliveries; usually {share} are told so. Orders still"
    " complete, by checks.": (
        "لم يُخبر أيّ ردّ وارد من {provider} بآخر التسليمات وعددها {number}، والمعتاد {share}. وما زالت الطلبات تكتمل"
        " بالاستعلام."
    ),
    "The scheduler gives no sign of life. Workers sweep by themselves as long as one is alive.": (
        "لا إشارة من المُجدوِل. تقوم معالجات المهام بالمراجعة الدورية ما دام أحدها يعمل."
    ),
    "1 notification was": "إشعار واحد",
    "{notifications} notifications were": "{notifications}",
    "The storefront was not told: {many} given up; {receivers} receivers disabled.": (
        "لم يُبلَّغ المتجر. إشعارات تعذّر تسليمها: {many}. مستقبِلون موقوفون: {receivers}."
    ),
    "Work waits: the oldest order is {minutes} minutes late. Is a worker alive?": (
        "العمل متأخّر: أقدم الطلبات متأخّر {minutes}. هل يعمل معالج مهام؟"
    ),
    # --- why a call failed
    "{address}: {error}": "{address}: {error}",
    "the name of the host is not known": "اسم المضيف غير معروف",
    "the name of the host was not looked up in time": "لم يُعثر على عنوان المضيف في الوقت المحدّد",
    "the name of the host could not be looked up": "تعذّر البحث عن عنوان المضيف",
    "names cannot be looked up here at present": "يتعذّر هنا حالياً البحث عن أسماء المضيفين",
    "names cannot be looked up here: {error}": "يتعذّر هنا البحث عن أسماء المضيفين: {error}",
    "too many names are being looked up here": "عدد كبير جداً من أسماء المضيفين قيد البحث هنا",
    "no connection could be made": "تعذّر الاتصال",
    "no connection in time": "لم يتمّ الاتصال في الوقت المحدّد",
    "no answer in time": "لم يصل جواب في الوقت المحدّد",
    "no whole answer within {seconds} s": "لم يصل جواب كامل خلال {seconds}",
    "no TLS connection (is its certificate right?)": "تعذّر الاتصال عبر TLS (هل شهادته صحيحة؟)",
    "the connection was cut": "انقطع الاتصال",
    "the URL is not valid": "العنوان غير صالح",
    "the URL begins with neither http:// nor https://": (
        "لا يبدأ العنوان بـ\u2066http://\u2069 ولا بـ\u2066https://\u2069"
    ),
    "the answer has no end within its bound": "الجواب أطول من الحدّ المسموح",
    "HTTP {number}, and the answer is larger than {size} bytes": (
        "\u2066HTTP {number}\u2069، والجواب أكبر من {size} بايت"
    ),
    "HTTP {number}": "\u2066HTTP {number}\u2069",
    "HTTP {number}: {words}": "\u2066HTTP {number}\u2069: {words}",
    "HTTP {number}, and no answer of the protocol": "\u2066HTTP {number}\u2069، وليس جواباً وفق البروتوكول",
    "HTTP {number}, and no answer of the protocol: {error}": (
        "\u2066HTTP {number}\u2069، وليس جواباً وفق البروتوكول: {error}"
    ),
    "the host leads to an address that is not public; see NOTIFY_ALLOW_PRIVATE": (
        "يؤدّي اسم المضيف إلى عنوان غير عام؛ انظر \u2066NOTIFY_ALLOW_PRIVATE\u2069"
    ),
    "no token: {error}": "لم يُحصَل على رمز الوصول: {error}",
    "the login failed: {error}": "فشل تسجيل الدخول لدى المزوّد: {error}",
    "the login was refused: {words}": "رُفض تسجيل الدخول لدى المزوّد: {words}",
    "the login failed: HTTP {number} without a token": (
        "فشل تسجيل الدخول لدى المزوّد: \u2066HTTP {number}\u2069 دون رمز وصول"
    ),
    "nothing was sent: the settings of {provider} do not work: {error}": (
        "لم يُرسَل شيء: إعدادات {provider} غير صالحة: {error}"
    ),
    "the adapter {protocol} failed ({error})": "تعطّل البروتوكول {protocol} ({error})",
    "the panel answered HTTP {number}": "أجابت اللوحة \u2066HTTP {number}\u2069",
    "the panel answered HTTP {number}: {error}": "أجابت اللوحة \u2066HTTP {number}\u2069: {error}",
    "the panel's answer is empty: the dealer code or the password is wrong, the API right is not granted, or our"
    " address is not on the panel's list": (
        "جواب اللوحة فارغ: رمز الموزّع أو كلمة المرور غير صحيحة، أو لم تُمنح صلاحية API، أو عنواننا ليس في قائمة اللوحة"
    ),
    "the panel answered with an HTML page: the base URL is wrong, or access is blocked: {error}": (
        "أجابت اللوحة بصفحة HTML: العنوان الأساسي غير صحيح أو الوصول محجوب: {error}"
    ),
    "the panel's answer is incomplete: {error}": "جواب اللوحة ناقص: {error}",
    "the panel's answer is incomplete, or its state is unknown: {error}": (
        "جواب اللوحة ناقص أو حالته غير معروفة: {error}"
    ),
    "the panel's answer cannot be read: {error}": "تعذّرت قراءة جواب اللوحة: {error}",
    "the panel's answer is too long to be read: {error}": "جواب اللوحة أطول من أن يُقرأ: {error}",
    "the panel answered {words}": "أجابت اللوحة: {words}",
    "no rule matches the answer: {words}": "لا قاعدة في البروتوكول تطابق الجواب: {words}",
    "nothing in the answer is about the order: {error}": "ليس في الجواب ما يخصّ الطلب: {error}",
    "the provider does not find the order by our reference: {error}": "لا يجد المزوّد الطلب بمرجعنا: {error}",
    "nothing is known that the provider can be asked by": "لا يُعرف ما يُستعلَم به لدى المزوّد",
    "not sent: the route lacks {names}; set it with `gateway routes add … --param`": (
        "لم يُرسَل: ينقص المسارَ {names}؛ اضبطه بالأمر \u2066gateway routes add … --param\u2069"
    ),
    "not sent: the provider takes at most {number} in one order, not {count}": (
        "لم يُرسَل: الحدّ الأعلى لدى المزوّد في الطلب الواحد {number}، والمطلوب {count}"
    ),
    "not sent: znet panels take one item per order, not {count}": (
        "لم يُرسَل: لا تأخذ لوحات znet في الطلب الواحد إلا قطعة واحدة، والمطلوب {count}"
    ),
    "not sent: the player's id is empty once blanks and invisible characters are gone": (
        "لم يُرسَل: معرّف اللاعب فارغ بعد حذف الفراغات والمحارف غير المرئية"
    ),
    "not sent: {error}": "لم يُرسَل: {error}",
    "not asked: {error}": "لم يُستعلَم: {error}",
    "the stock {name} is empty": "المخزون {name} فارغ",
    "the stock {name} has fewer than {codes} codes left": "الرموز الباقية في المخزون {name} أقل من المطلوب ({codes})",
    "the order has taken no codes": "لم يأخذ الطلب أيّ رمز",
    "JSON, {number} characters": "\u2066JSON\u2069، عدد المحارف {number}",
    "HTML, {number} characters": "\u2066HTML\u2069، عدد المحارف {number}",
    "markup, {number} characters": "نص موسوم، عدد المحارف {number}",
    "text, {number} characters": "نص، عدد المحارف {number}",
    "{note}, {number} fields between |": "{note}، {number} من الحقول بين \u2066|\u2069",
    "{note}, {lines} lines": "{note}، {lines}",
    # --- why a callback was refused, or could not be read
    "the header {name} is missing": "الترويسة {name} مفقودة",
    "webhook-timestamp is not a Unix time in seconds": (
        "ليس \u2066webhook-timestamp\u2069 وقتاً بصيغة Unix بالثواني"
    ),
    "the timestamp is missing, or is not a Unix time": "الطابع الزمني مفقود، أو ليس بصيغة Unix",
    "the timestamp is more than five minutes off": "يبعد الطابع الزمني أكثر من خمس دقائق",
    "the signature is missing": "التوقيع مفقود",
    "the signature does not match": "التوقيع غير مطابق",
    "the token is missing or wrong": "رمز الوصول مفقود أو غير صحيح",
    "the user name or password is missing or wrong": "اسم المستخدم أو كلمة المرور مفقود أو غير صحيح",
    "no callbacks are accepted for this provider": "لا تُقبل ردود من هذا المزوّد",
    "the protocol {protocol} has no signature of its own": "ليس للبروتوكول {protocol} توقيع خاص به",
    "the id of the event is longer than {number} characters": "معرّف الحدث أطول من {number} محرف",
    "webhook-id is longer than {number} characters": "\u2066webhook-id\u2069 أطول من {number} محرف",
    "the callback is empty": "الردّ فارغ",
    "the body must be a JSON object": "يجب أن يكون المحتوى كائناً بصيغة JSON",
    "the body {words}": "المحتوى: {words}",
    "the form has more than {number} fields": "في النموذج أكثر من {number} حقل",
    "the multipart form cannot be read": "تعذّرت قراءة النموذج المتعدّد الأجزاء",
    "the reference is longer than {number} characters": "المرجع أطول من {number} محرف",
    "the reference contains an invalid character (NUL or a lone surrogate)": "في المرجع محرف غير صالح",
    "`orders` must be a list with at least one order": (
        "يجب أن يكون \u2066`orders`\u2069 قائمة فيها طلب واحد على الأقل"
    ),
    "`orders` contains more than {number} orders": "في \u2066`orders`\u2069 أكثر من {number} طلب",
    "no entry of `orders` can be read; the first one: {error}": (
        "تعذّرت قراءة كل ما في \u2066`orders`\u2069؛ الأول منه: {error}"
    ),
    "every entry of `orders` must be an object": "يجب أن يكون كل عنصر في \u2066`orders`\u2069 كائناً",
    "the reference is missing: send `{name}`": "المرجع مفقود: أرسل {name}",
    "`status` must be one of {names}": "يجب أن يكون \u2066`status`\u2069 واحداً من: {names}",
    "`durum` must be 1, 2 or 3": "يجب أن يكون \u2066`durum`\u2069 \u20661\u2069 أو \u20662\u2069 أو \u20663\u2069",
    "`{name}` must be a string": "يجب أن يكون {name} نصاً",
    "own stock has no callbacks": "ليس للمخزون الذاتي ردود واردة",
    "a person fulfils these orders: they have no callbacks": "تُنفَّذ هذه الطلبات يدوياً، فلا ردود واردة لها",
    # --- single words: stages
    "word not_sent": "لم يُرسَل",
    "word pending": "يُرسَل الآن",
    "word sent": "مُرسَل",
    "word processing": "قيد التنفيذ",
    "word completed": "مكتمل",
    "word failed": "فشل",
    "word reversed": "مُسترجَع",
    # results
    "word applied": "طُبّق",
    "word duplicate": "معروف من قبل",
    "word stale": "أقدم مما نعرف",
    "word conflict": "تناقض",
    "word unmatched": "بلا طلب معروف",
    "word invalid": "تعذّرت قراءته",
    # why a person is needed
    "word cannot_ask": "لا يمكن الاستعلام لدى المزوّد",
    "word no_code": "اكتمل بلا رمز",
    "word partial": "سُلّم جزئياً",
    "word in_doubt": "ربما وصل إلى المزوّد",
    "word timed_out": "انتهت المهلة بلا نتيجة",
    "word manual": "متروك للمعالجة اليدوية",
    "word no_provider": "لا مزوّد لهذه الباقة",
    "word provider_down": "المزوّد متوقّف",
    "word overdue": "فاتت خطوة",
    "word no_answer": "لا جواب بعد",
    "word notification_dead": "لم يُبلَّغ المتجر",
    # filters
    "word stage": "المرحلة",
    "word provider": "المزوّد",
    "word product": "المنتج",
    "word tenant": "المتجر",
    "word player": "اللاعب",
    "word reference": "مرجع المتجر",
    "word since": "منذ",
    "word until": "حتى",
    "word needs": "يحتاج إلى تدخّل",
    # columns of spreadsheets
    "column id": "المعرّف",
    "column orderNo": "رقم الطلب",
    "column tenantId": "المتجر",
    "column reference": "مرجع المتجر",
    "column productId": "المنتج",
    "column packageId": "الباقة",
    "column quantity": "الكمية",
    "column userIdentifier": "اللاعب",
    "column externalStatus": "المرحلة",
    "column failureReason": "سبب الفشل",
    "column attention": "يحتاج إلى تدخّل",
    "column providerId": "المزوّد",
    "column providerReferans": "المرجع لدينا",
    "column externalOrderId": "الرقم لدى المزوّد",
    "column costAmount": "التكلفة",
    "column costCurrency": "عملة التكلفة",
    "column priceAmount": "سعر البيع",
    "column priceCurrency": "عملة سعر البيع",
    "column lastMessage": "آخر رسالة",
    "column createdAt": "وقت الإنشاء",
    "column sentAt": "وقت الإرسال",
    "column completedAt": "وقت الاكتمال",
    "column reversedAt": "وقت الاسترجاع",
    "column durationMs": "المدة بالمللي ثانية",
    "column provider": "المزوّد",
    "column product": "المنتج",
    "column package": "الباقة",
    "column tenant": "المتجر",
    "column day": "اليوم",
    "column month": "الشهر",
    "column orders": "الطلبات",
    "column open": "قيد المتابعة",
    "column delivered": "المسلَّمة",
    "column failed": "الفاشلة",
    "column reversed": "المُسترجَعة",
    "column deliveredByCallback": "ما عُرف بردّ وارد",
    "column currency": "العملة",
    "column cost": "التكلفة",
    "column price": "سعر البيع",
    "column margin": "الهامش",
    "column medianSeconds": "الوسيط بالثواني",
    "column p95Seconds": "95% بالثواني",
    "There are more than {count}; the CSV file has all of them.": "الطلبات أكثر من {count}، وفي ملف CSV جميعها.",
    # steps of a sweep
    "step unmatched_settled": "ردود طُبّقت بعد ظهور طلباتها",
    "step adopted": "طلبات بدأت متابعتها",
    "step enqueued": "خطوات فائتة أُعيدت إلى الطابور",
    "step bulk_continued": "إجراءات جماعية استُؤنفت",
    "step statements_continued": "كشوف استُؤنفت مطابقتها",
    "step attention_told": "تنبيهات أُبلغ بها المتجر",
    "step notifications_due": "إشعارات حان وقتها",
    "step notifications_dead": "إشعارات تعذّر تسليمها",
    "step notifications_deleted": "إشعارات قديمة حُذفت",
    "step callbacks_deleted": "ردود قديمة حُذفت",
    "step idempotency_keys_deleted": "مفاتيح تكرار قديمة حُذفت",
    "step sign_ins_deleted": "جلسات منتهية حُذفت",
    "step alerts_deleted": "حوادث قديمة حُذفت",
    "step days_summed_up": "أيام جُمعت للتقارير",
    "step callbacks_low": "مزوّدون قلّت ردودهم",
    "step balances_noted": "أرصدة سُجّلت",
    "step balances_asked": "أرصدة استُعلم عنها",
    "step balances_followed": "حركات أرصدة تُوبعت",
    "step balances_deleted": "أرصدة قديمة حُذفت",
}
