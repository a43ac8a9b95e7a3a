"""What is asked in the traffic that the console shows, with the right answers."""

from __future__ import annotations

QUESTION_TO_ANSWER = {
    "What is 17% of 2340?": "397.8",
    "What is 23 * 17? Give the number alone.": "391",
    "How many days are there from 2024-02-10 to 2024-05-01?": "81",
    "Name a prime between 90 and 100.": "97",
    "Translate into French: the parcel was left with a neighbour.": "Le colis a été laissé chez un voisin.",
    "Translate into German: your order ships on Monday.": "Ihre Bestellung wird am Montag verschickt.",
    "Summarise in one line: the customer wants a refund for a kettle that leaks and has the receipt.": (
        "Refund wanted for a leaking kettle; receipt at hand."
    ),
    "Summarise in one line: the driver came at nine, nobody was at home, he will come again tomorrow.": (
        "Delivery failed at nine; next try tomorrow."
    ),
    "Is this message a complaint? My card was charged twice for one order.": "Yes.",
    "Is this message a complaint? Thank you, the shoes fit well.": "No.",
    "Write a SQL query for the ten customers who spent most in May.": (
        "SELECT customer_id, sum(amount) AS spent\nFROM orders\nWHERE ordered_on >= '2024-05-01' "
        "AND ordered_on < '2024-06-01'\nGROUP BY customer_id\nORDER BY spent DESC\nLIMIT 10;"
    ),
    "Write a regular expression for a German postcode.": r"^\d{5}$",
    "Which unit is larger, a nautical mile or a statute mile?": "A nautical mile: 1,852 m against 1,609 m.",
    "Which rivers meet in Koblenz?": "The Rhine and the Moselle.",
    "Convert 72 degrees Fahrenheit to Celsius.": "22.2 °C",
    "What is the plural of 'analysis'?": "analyses",
}
QUESTIONS = tuple(QUESTION_TO_ANSWER)
VERIFIED = QUESTIONS[1]  # a number can be checked
EXPECTED = 391
